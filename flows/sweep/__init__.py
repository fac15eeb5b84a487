"""The search for a better configuration than the one at hand."""
