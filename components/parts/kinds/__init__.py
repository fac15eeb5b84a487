"""Kinds: what a modality's raw values are; one file each, its name is the kind."""
