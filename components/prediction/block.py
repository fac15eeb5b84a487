"""The size of the blocks that records are answered in."""

BLOCK = 64
"""Rows that are answered together, of the size of a request; parts and chunks begin at multiples of it."""
