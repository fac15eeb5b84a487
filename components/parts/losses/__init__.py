"""Losses: one file each, its name is its name in YAML."""
