"""Searchable vectors; exact search is the oracle."""
