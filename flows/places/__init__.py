"""Where a step's work runs: here, or as a Job of a cluster."""
