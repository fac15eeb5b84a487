"""Search figures: recall and mean reciprocal rank from every modality to every other.

A hit is any record of the query's group. Ties count against the model, so equal vectors find
nothing. Where there are many records only the queries are sampled: among fewer records everything
is found sooner.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 5, 10)
_CHUNK_CELLS = 8_000_000  # scores held at a time: 32 MB


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Figures of one direction.

    Attributes:
        recall: cutoff ``k`` to the share of queries with a hit among the first ``k``.
        mrr: mean of ``1 / rank`` of the first hit.
        n: queries that have something to find.
        gallery: records that were searched.
    """

    recall: dict[int, float]
    mrr: float
    n: int
    gallery: int


def first_hits(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    query_groups: NDArray[np.int64],
    gallery_groups: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rank (from 1) of the first hit of each query; 0 where nothing of its group is in the gallery.

    Args:
        queries: ``(q, dim)``.
        gallery: ``(n, dim)``.
        query_groups: ``(q,)`` group numbers.
        gallery_groups: ``(n,)`` group numbers.
    """
    order = np.argsort(gallery_groups, kind="stable")
    sorted_gallery, sorted_groups = np.ascontiguousarray(gallery[order]), gallery_groups[order]
    starts = np.searchsorted(sorted_groups, query_groups, side="left")
    sizes = np.searchsorted(sorted_groups, query_groups, side="right") - starts
    ranks = np.zeros(len(queries), dtype=np.int64)
    findable = np.flatnonzero(sizes)
    step = max(1, _CHUNK_CELLS // max(1, len(gallery)))
    for first in range(0, len(findable), step):
        rows = findable[first : first + step]
        scores = queries[rows] @ sorted_gallery.T
        # The hits of a query are adjacent columns from `start` on; a short group repeats its last.
        widest = int(sizes[rows].max())
        columns = starts[rows, None] + np.minimum(np.arange(widest), sizes[rows, None] - 1)
        hits = np.take_along_axis(scores, columns, axis=1)
        best = hits.max(axis=1, keepdims=True)
        not_below = np.count_nonzero(scores >= best, axis=1)
        own = np.count_nonzero((hits >= best) & (np.arange(widest) < sizes[rows, None]), axis=1)
        ranks[rows] = 1 + not_below - own
    return ranks


def retrieval(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    query_groups: NDArray[np.int64],
    gallery_groups: NDArray[np.int64],
) -> Retrieval:
    """Recall at 1, 5 and 10 and mean reciprocal rank over the queries that have something to find.

    Args:
        queries: ``(q, dim)``.
        gallery: ``(n, dim)``.
        query_groups: ``(q,)`` group numbers.
        gallery_groups: ``(n,)`` group numbers.
    """
    ranks = first_hits(queries, gallery, query_groups, gallery_groups)
    ranks = ranks[ranks > 0]
    if not len(ranks):
        nothing = dict.fromkeys(CUTOFFS, float("nan"))
        return Retrieval(recall=nothing, mrr=float("nan"), n=0, gallery=len(gallery))
    return Retrieval(
        recall={k: float(np.mean(ranks <= k)) for k in CUTOFFS},
        mrr=float(np.mean(1.0 / ranks)),
        n=len(ranks),
        gallery=len(gallery),
    )


def every_pair(
    embeddings: Mapping[str, NDArray[np.float32]],
    present: Mapping[str, NDArray[np.bool_]],
    groups: list[str],
    queries: NDArray[np.bool_] | None = None,
) -> dict[str, Retrieval]:
    """Figures of every ordered pair of modalities, by keys like ``text->image``.

    Args:
        embeddings: modality name to unit vectors ``(n, dim)``.
        present: modality name to ``(n,)`` which records have it.
        groups: group of each record (its id where it has no other).
        queries: ``(n,)`` which records are searched with; all records are searched in any case.
    """
    codes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)[1].astype(
        np.int64
    )
    found = {}
    for source in sorted(embeddings):
        for target in sorted(embeddings):
            if source != target:
                asked = present[source] if queries is None else present[source] & queries
                q, g = np.flatnonzero(asked), np.flatnonzero(present[target])
                found[f"{source}->{target}"] = retrieval(
                    embeddings[source][q], embeddings[target][g], codes[q], codes[g]
                )
    return found


def hits(
    embeddings: Mapping[str, NDArray[np.float32]],
    present: Mapping[str, NDArray[np.bool_]],
    groups: list[str],
    cutoff: int = CUTOFFS[-1],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Whether each record as a query finds its group, and how likely chance would.

    Args:
        embeddings: modality name to unit vectors ``(n, dim)``.
        present: modality name to ``(n,)`` which records have it.
        groups: group of each record.
        cutoff: records that are looked at.

    Returns:
        Twice ``(n, directions)``, directions sorted as in `every_pair`: 1 for a hit among the first
        ``cutoff`` and 0 for none; and the probability of a hit among as many records drawn at
        random. NaN where the record is no query or has nothing to find.
    """
    codes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)[1].astype(
        np.int64
    )
    names = sorted(embeddings)
    pairs = [(a, b) for a in names for b in names if a != b]
    found = np.full((len(groups), len(pairs)), np.nan, dtype=np.float32)
    chance = found.copy()
    for column, (source, target) in enumerate(pairs):
        q, g = np.flatnonzero(present[source]), np.flatnonzero(present[target])
        ranks = first_hits(embeddings[source][q], embeddings[target][g], codes[q], codes[g])
        asked = ranks > 0
        found[q[asked], column] = ranks[asked] <= cutoff
        own = np.bincount(codes[g], minlength=codes.max(initial=0) + 1)[codes[q[asked]]]
        chance[q[asked], column] = _by_chance(len(g), own, cutoff)
    return found, chance


def _by_chance(gallery: int, own: NDArray[np.int64], cutoff: int) -> NDArray[np.float64]:
    """Probability that ``cutoff`` of ``gallery`` records hold one of ``own (q,)`` records."""
    misses = np.ones(len(own))
    for drawn in range(min(cutoff, gallery)):
        misses *= np.maximum(gallery - own - drawn, 0) / (gallery - drawn)
    return 1 - misses
