"""A model package: written, verified, loaded, answering one record or a million."""
