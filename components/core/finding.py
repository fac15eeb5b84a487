"""What ``concord doctor`` reports on one thing that it checked."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
