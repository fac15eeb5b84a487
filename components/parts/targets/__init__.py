"""Targets: what is predicted; one file each, its name is `target.kind` of a manifest."""
