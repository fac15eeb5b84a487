"""The training loop, checkpoints and the entry that a pod runs."""
