"""Encoders: decoded values to features; one file each, its name is the name in YAML."""
