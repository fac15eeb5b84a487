"""The size of the blocks in which records are answered."""

BLOCK = 64
"""Rows that are answered together, as many as in a request; parts and chunks start at multiples."""
