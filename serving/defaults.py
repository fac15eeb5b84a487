"""Defaults and limits of the service that clients, commands and pods share."""

HOST, PORT = "127.0.0.1", 3000
"""Where an endpoint listens unless another address is given."""
URL = f"http://{HOST}:{PORT}"

MAX_HITS, HITS = 100, 10
"""Hits of one search: the limit and the default."""
