"""Where Concord runs: images, manifests and clusters."""
