"""Synthetic data sets whose best possible accuracy is known: `pair` and `xor`."""
