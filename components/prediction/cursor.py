"""Where the next page of a search begins: after a score and an id, in one version of an index."""

import base64
import binascii
import json
from dataclasses import dataclass

from components.core.errors import BadInput
from components.core.refs import digest_json

_MOST = 2000


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last hit of a page; opaque to users.

    Attributes:
        package: digest of the package that was searched.
        applied: the number of the last write that the index had seen.
        search: digest of what was asked for.
        seen: hits on this page and those before.
        score: of the last hit.
        id: of the last hit.
    """

    package: str
    applied: int
    search: str
    seen: int
    score: float
    id: str

    def __str__(self) -> str:
        fields = [self.package, self.applied, self.search, self.seen, self.score, self.id]
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what an answer gave as ``next``.

        Raises:
            BadInput: anything else.
        """
        try:
            if len(text) > _MOST:
                raise ValueError
            padded = text + "=" * (-len(text) % 4)
            fields = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            package, applied, search, seen, score, record = fields
            texts, numbers = (package, search, record), (applied, seen)
            if not (all(type(t) is str for t in texts) and all(type(n) is int for n in numbers)):
                raise ValueError
            score = float(score)
        except (ValueError, TypeError, RecursionError, binascii.Error):
            raise BadInput("after", "no cursor", "`next` of the page before") from None
        return cls(
            package=package, applied=applied, search=search, seen=seen, score=score, id=record
        )

    def check(self, package: str, search: str) -> None:
        """Check that it continues this search of this package.

        Raises:
            BadInput: another model answers now, or something else was asked for.
        """
        if self.package != package:
            wanted = "a search without `after`: another version of the model answers now"
            raise BadInput("after", "a page of another version", wanted)
        if self.search != search:
            wanted = "`next` of a page of the same search, with the same fields but `after` and `k`"
            raise BadInput("after", "a page of another search", wanted)


def fingerprint(*parts: object) -> str:
    """A short digest of what a search asks for."""
    return digest_json([repr(part) for part in parts])[:16]
