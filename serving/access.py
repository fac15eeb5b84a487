"""Who may reach a service that listens on an address; the launcher passes it to the service."""

import os
from collections.abc import Mapping

from components.core.commands import concord
from components.core.errors import UsageError
from serving.http.tokens import Access, is_loopback
from serving.store.database import Database
from serving.store.tokens import Tokens

HOST, OPEN = "CONCORD_HOST", "CONCORD_OPEN"
"""Environment variables: the address that the service listens on, as its launcher says, and ``1``
where a proxy in front checks who asks."""


def access_of(host: str, environment: Mapping[str, str] = os.environ) -> Access:
    """Who may ask a service on an address; where the address is unknown, only who has a token.

    Raises:
        UsageError: ``CONCORD_OPEN`` is something else than 0 or 1.
    """
    said = environment.get(OPEN) or "0"
    if said not in ("0", "1"):
        raise UsageError(f"{OPEN}: got {said!r}, wanted 1 (a proxy checks who asks) or 0")
    if said == "1":
        return Access.OPEN
    return Access.LOOPBACK if is_loopback(host) else Access.TOKENS


def check_access(host: str, database: Database) -> None:
    """Check that somebody may ask, and not everybody.

    Raises:
        UsageError: other machines reach the address, and no token is valid.
        UserError: the store cannot be read.
    """
    if access_of(host) is Access.TOKENS and not Tokens(database).valid():
        made = concord("token", "new", name="NAME", scope="predict")
        raise UsageError(
            f"host {host}: other machines reach it, and nobody has a token; make one with `{made}`,"
            f" listen on 127.0.0.1, or set {OPEN}=1 where a proxy in front checks who asks"
        )
