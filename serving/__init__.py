"""The prediction service: the only importer of BentoML."""
