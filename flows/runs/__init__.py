"""Records of runs, sessions, results."""
