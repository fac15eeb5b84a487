"""The step table, keys, and the step store."""
