"""The built-in data set: drawn, disturbed by a recipe, described."""
