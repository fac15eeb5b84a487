"""Data set contract, importers, splits and the built-in glyph set."""
