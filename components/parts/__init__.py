"""All that YAML chooses by name, one file each, with the protocol of each family and the loader."""
