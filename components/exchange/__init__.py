"""Where a run and its pods hand files over, verified both ways."""
