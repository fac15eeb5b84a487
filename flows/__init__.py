"""Order, retries, step keys and schedules; the only importer of Prefect; the command line."""
