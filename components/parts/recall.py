"""The recall of an index in use: some of its searches are repeated exactly, and compared."""

import random
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.parts.filters import Filter
from components.parts.indexing import Found, Index

_ROUNDING = 1e-6


class RecallWatch:
    """Counts how many of the true records were found; may be used from several threads.

    Args:
        share: of the searches that are repeated, from 0 to 1.
        seed: of the choice.
    """

    def __init__(self, share: float = 0.01, seed: int = 0) -> None:
        self._share, self._random, self._lock = share, random.Random(seed), threading.Lock()  # noqa: S311
        self._checked = self._true = self._found = 0

    @property
    def checked(self) -> int:
        """Searches that were repeated."""
        return self._checked

    @property
    def recall(self) -> float | None:
        """Share of the true records that were found so far; None while nothing was to be found."""
        with self._lock:
            return self._found / self._true if self._true else None

    def due(self) -> bool:
        """Whether to repeat this search: call `check` then, off the answer's path."""
        with self._lock:
            return self._random.random() < self._share

    def check(
        self,
        index: Index,
        vectors: NDArray[np.float32],
        k: int,
        where: Filter | None,
        found: Sequence[Found],
    ) -> None:
        """Repeat a search exactly, and count.

        A record that is as good as the last true one counts as found.

        Args:
            index: it was searched.
            vectors: queries ``(q, dim)``.
            k: records that were wanted.
            where: the search's filter.
            found: its answer.
        """
        true = hits = 0
        for got, wanted in zip(found, index.search(vectors, k, where, exact=True), strict=True):
            true += len(wanted.ids)
            if len(wanted.ids):
                hits += int((got.scores >= wanted.scores[-1] - _ROUNDING).sum())
        with self._lock:
            self._checked += len(found)
            self._true += true
            self._found += min(hits, true)
