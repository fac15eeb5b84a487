"""What runs inside a pod: entries, exit codes, attempts, the launcher, the hand-over."""
