"""Defaults and limits of the service that clients, commands and pods share."""

HOST, PORT = "127.0.0.1", 3000
"""Where an endpoint listens unless another address is given."""
URL = f"http://{HOST}:{PORT}"

MAX_HITS, HITS = 100, 10
"""Hits of one search: the limit and the default."""

PACKAGE, DIGEST = "CONCORD_PACKAGE", "CONCORD_PACKAGE_DIGEST"
"""Environment variables: another place of the package, and the digest that it must have."""
VERSION = "CONCORD_MODEL_VERSION"
"""Environment variable: the registry's version of the package."""
FOLLOW = "CONCORD_FOLLOW"
"""Environment variable: the registered model whose champion is served from then on."""
KEEP_ALIVE_SECONDS = 75
"""An idle connection stays open so long: longer than proxies (60) and clients keep theirs, so that
none sends a request into a connection which is closing."""
ANSWER_SECONDS = 60.0
"""An answer takes no longer, the reading of the body not counted."""
