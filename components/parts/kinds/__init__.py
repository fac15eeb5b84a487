"""Modality kinds: one file each, its name is the kind."""
