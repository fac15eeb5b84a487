"""Ways to keep modalities learning at one speed, one file each."""
