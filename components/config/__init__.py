"""What a user sets: the run's YAML, the trainer block, the state folder and its addresses."""
