"""Names that several rooms use."""

FUSED = "fused"
"""Stands beside the modalities of a record for all of them together."""
