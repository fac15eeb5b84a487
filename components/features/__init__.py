"""Records as model inputs, encoded once: the spec, the cache, the store, the encode step."""
