"""Projectors: one file each, its name is its name in YAML."""
