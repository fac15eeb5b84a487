"""What serves right now: models with their indexes, and the memory that requests share."""
