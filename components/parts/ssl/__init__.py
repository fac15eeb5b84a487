"""Ways to learn from unlabelled records while the network trains, one file each."""
