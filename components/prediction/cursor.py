"""Where the next page of a search begins: after a score and an id, in one version of an index."""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput

Vector = NDArray[np.float32]

_MOST = 1_000_000
"""Characters of a cursor that are read."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last hit of a page; opaque to users.

    Attributes:
        package: digest of the package that was searched.
        applied: the number of the last write that the index had seen.
        search: digest of what was asked for.
        seen: hits on this page and those before.
        score: of the last hit, with its sign turned.
        id: of the last hit.
        vectors: the unit vectors that search, by name. Embedded again beside other records, they
            might differ in their last bits, and with them the order of equal hits.
    """

    package: str
    applied: int
    search: str
    seen: int
    score: float
    id: str
    vectors: Mapping[str, Vector]

    def __str__(self) -> str:
        vectors = {
            name: base64.b64encode(np.asarray(v, "<f4").tobytes()).decode("ascii")
            for name, v in self.vectors.items()
        }
        head = [self.package, self.applied, self.search, self.seen, self.score, self.id]
        text = json.dumps([*head, vectors]).encode()
        return base64.urlsafe_b64encode(text).decode("ascii").rstrip("=")

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
            return cls._of(json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)))
        except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
            raise BadInput("after", "no cursor", "`next` of the previous page") from None

    @classmethod
    def _of(cls, fields: Any) -> "Cursor":  # noqa: ANN401
        package, applied, search, seen, score, record, given = fields
        vectors = {
            name: np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
            for name, text in given.items()
        }
        right = (
            all(type(text) is str for text in (package, search, record))
            and all(type(number) is int and number >= 0 for number in (applied, seen))
            and type(score) is float
            and math.isfinite(score)
            and all(
                np.isfinite(v).all() and np.abs(v).max(initial=0) <= 1 for v in vectors.values()
            )
        )
        if not right:
            raise ValueError
        return cls(
            package=package,
            applied=applied,
            search=search,
            seen=seen,
            score=score,
            id=record,
            vectors=vectors,
        )

    def check(self, package: str, search: str, like: Mapping[str, Vector]) -> None:
        """Check that it continues this search of this package.

        Args:
            package: digest of the package that answers.
            search: digest of what is asked for.
            like: the vectors of the search as they are made now.

        Raises:
            BadInput: another model answers now, or something else was asked for.
        """
        if self.package != package:
            wanted = "a search without `after`: another version of the model answers now"
            raise BadInput("after", "a page of another version", wanted)
        same = {n: v.shape for n, v in self.vectors.items()} == {
            n: v.shape for n, v in like.items()
        }
        if self.search != search or not same:
            wanted = "`next` of a page of the same search, with the same fields but `after` and `k`"
            raise BadInput("after", "a page of another search", wanted)
