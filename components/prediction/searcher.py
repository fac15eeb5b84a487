"""Finds records of a collection: by one vector, by several, or by what is wanted and unwanted.

Source: inner products of unit vectors, exact or by a graph, Malkov & Yashunin 2018
(arXiv:1603.09320); reciprocal rank fusion, Cormack et al. 2009, ``sum_m 1 / (60 + rank_m)``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.core.errors import BadInput, one_of
from components.core.names import FUSED
from components.core.refs import digest_json
from components.model.composer import Composer
from components.parts.filters import Filter, check
from components.parts.indexing import Found, Index
from components.prediction.asking import Ask, Example, Hit, Page
from components.prediction.collection import Collection
from components.prediction.cursor import Cursor
from components.prediction.hubness import BANK, corrected
from components.prediction.made import Known
from components.prediction.mixing import Mix

Vector = NDArray[np.float32]
Ranked: TypeAlias = list[tuple[float, str]]
"""Minus the score and the id of each record, best first: a list that sorts itself."""

METHOD = {
    "id": "R01",
    "name": "any-to-any index, reciprocal rank fusion",
    "for": "finding records by any modality among those of any other, or by several at once",
    "needs": "records with a modality; to search one by another, records with both",
    "use": "concord search --text title=TEXT --target photo",
}
_RANK_OFFSET = 60
"""Source: Cormack et al. 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods"."""
CANDIDATES = 1000
"""Nearest records that are joined or corrected; one further down cannot reach the top."""
DEEPEST = 10_000
"""Hits on all pages of one search."""


Watched = Callable[[Index, Vector, int, Filter | None, Sequence[Found]], None]


class Searcher:
    """Searches one collection; may be used from several threads.

    Args:
        collection: the records.
        composer: what the package composes a picture and words with, if it has one.

    Attributes:
        watched: receives every search of an index, and its hits.
    """

    def __init__(self, collection: Collection, composer: Composer | None = None) -> None:
        self._collection, self._composer = collection, composer
        self.watched: Watched = lambda _index, _vectors, _k, _where, _found: None
        self._banks: dict[str, tuple[int, Vector]] = {}

    def check(self, target: str, k: int) -> None:
        """Check what a search asks for.

        Raises:
            BadInput: an unknown target, or fewer than one hit.
        """
        if target not in self._collection.indexes:
            raise BadInput("target", repr(target), one_of(target, self._collection.indexes))
        if k < 1:
            raise BadInput("k", str(k), "at least 1")

    def search(self, ask: Ask) -> Page:
        """Find the records nearest to a query, best first; named records are not among them.

        One example of several modalities searches the vectors of a modality by each of its own,
        and the rankings are joined by reciprocal rank, ``sum 1 / (60 + rank)``. Several examples
        are made one vector first (`mixing`).

        Raises:
            BadInput: an unknown target, attribute or id, or a cursor of another search.
        """
        self.check(ask.target, ask.k)
        if ask.where is not None:
            check(ask.where, self._collection.declared)
        like = [self._vectors(example, ask.by) for example in ask.like]
        unlike = [self._vectors(example, ask.by) for example in ask.unlike]
        mix = Mix(ask=ask, like=like, unlike=unlike, composer=self._composer)
        seeking: Mapping[str, Vector] = mix.seeking()
        applied, search = self._collection.applied, digest_json([ask.asked, *_form(ask)])
        after = Cursor.parse(ask.after) if ask.after is not None else None
        if after:
            after.check(self._collection.digest, search, seeking)
            seeking = after.vectors
        named = {e.id for e in (*ask.like, *ask.unlike) if e.id is not None}
        found = self._after(self._ranking(ask, seeking), named, after, ask.k)
        page, seen = found[: ask.k], (after.seen if after else 0) + min(ask.k, len(found))
        following = None
        if len(found) > ask.k and seen < DEEPEST:
            following = Cursor(
                package=self._collection.digest,
                applied=applied,
                search=search,
                seen=seen,
                score=page[-1][0],
                id=page[-1][1],
                vectors=seeking,
            )
        shared = mix.shared() if ask.explain and page else None
        known = [(-less, r, self._collection.known(r)) for less, r in page]
        return Page(
            hits=[self._hit(r, score, k, shared) for score, r, k in known if k],
            next=str(following) if following else None,
            applied=applied,
            changed=after is not None and after.applied != applied,
            composed=mix.how if ask.explain else None,
        )

    def _vectors(self, example: Example, by: str | None) -> dict[str, Vector]:
        """The vectors of an example by name; of its modalities only ``by``, where it is given."""
        if example.vectors is not None:
            return dict(example.vectors)
        record = str(example.id)
        known = self._collection.known(record)
        if known is None:
            raise BadInput(example.place, repr(record)[:80], "the id of a record of the index")
        if by is not None and by not in known.modalities:
            has = ", ".join(known.modalities)
            raise BadInput("by", repr(by), f"a modality of the record {record!r}: {has}")
        names = (*known.modalities, FUSED) if by is None else (by,)
        found = {name: self._collection.vectors(name, [record]) for name in names}
        return {name: stored[record] for name, stored in found.items() if record in stored}

    def _ranking(self, ask: Ask, seeking: Mapping[str, Vector]) -> Callable[[int], Ranked]:
        """What gives the best records of a search; of some kinds of search all at once."""
        if len(seeking) == 1 and not ask.hubness:
            ((_, vector),) = seeking.items()
            return lambda depth: self._nearest(ask, vector, depth)
        lists = [self._candidates(ask, name, vector) for name, vector in sorted(seeking.items())]
        if len(lists) == 1:
            return lambda _: lists[0]
        best = joined_by_rank(lists)
        return lambda _: best

    def _nearest(self, ask: Ask, vector: Vector, depth: int) -> Ranked:
        index = self._collection.indexes[ask.target]
        (found,) = index.search(vector[None], depth, ask.where)
        self.watched(index, vector[None], depth, ask.where, [found])
        return [(-s, r) for s, r in zip(found.scores.tolist(), found.ids, strict=True)]

    def _candidates(self, ask: Ask, name: str, vector: Vector) -> Ranked:
        """The nearest records to one of several vectors, corrected for hubness where asked."""
        near = self._nearest(ask, vector, CANDIDATES)
        if not ask.hubness or not near:
            return near
        stored = self._collection.vectors(ask.target, [record for _, record in near])
        kept = [(-less, record) for less, record in near if record in stored]
        gallery = np.stack([stored[record] for _, record in kept])
        scores = np.array([score for score, _ in kept])
        fair = corrected(scores, gallery, self._bank(name), self._bank(ask.target))
        return sorted((-s, r) for s, (_, r) in zip(fair.tolist(), kept, strict=True))

    def _bank(self, name: str) -> Vector:
        """Vectors ``(<= 256, dim)`` of records of the package, evenly spaced over it."""
        applied = self._collection.applied
        if name not in self._banks or self._banks[name][0] != applied:
            self._banks[name] = (applied, self._new_bank(name))
        return self._banks[name][1]

    def _new_bank(self, name: str) -> Vector:
        packaged = self._collection.packaged
        names = sorted(set(self._collection.indexes) - {FUSED})
        has = packaged.present.any(1) if name == FUSED else packaged.present[:, names.index(name)]
        rows = np.flatnonzero(has)
        rows = rows[np.linspace(0, len(rows) - 1, min(BANK, len(rows))).astype(int)]
        written = self._collection.written()
        ids = [packaged.ids[row] for row in rows.tolist()]
        stored = self._collection.vectors(name, [r for r in ids if r not in written])
        return np.array(list(stored.values()), dtype=np.float32)

    def _after(
        self, ranking: Callable[[int], Ranked], named: set[str], after: Cursor | None, k: int
    ) -> Ranked:
        """The hits after a cursor, one more than asked for where there are more."""
        least = (after.score, after.id) if after else None
        depth = min(after.seen if after else 0, DEEPEST) + k + 1 + len(named)
        while True:
            ranked = ranking(depth)
            found = [r for r in ranked if r[1] not in named and (least is None or r > least)]
            # Records may have come before the cursor since, so that more are needed.
            if len(found) > k or len(ranked) < depth or depth >= 2 * DEEPEST:
                return found[: k + 1]
            depth *= 2

    def _hit(self, record: str, score: float, known: Known, query: Vector | None) -> Hit:
        scores = None
        if query is not None:
            own = {name: self._collection.vectors(name, [record]) for name in known.modalities}
            scores = {n: float(stored[record] @ query) for n, stored in own.items() if stored}
        return Hit(
            id=record,
            score=score,
            label=known.label,
            predicted=known.predicted,
            modalities=known.modalities,
            scores=scores,
        )


def joined_by_rank(lists: Sequence[Ranked]) -> Ranked:
    """One ranking from several, by ``sum_m 1 / (60 + rank_m)``.

    >>> [record for _, record in joined_by_rank([[(-9, "a"), (-8, "b")], [(-1, "b")]])]
    ['b', 'a']
    """
    joined: dict[str, float] = {}
    for ranked in lists:
        for rank, (_, record) in enumerate(ranked, start=1):
            joined[record] = joined.get(record, 0.0) + 1.0 / (_RANK_OFFSET + rank)
    return sorted((-score, record) for record, score in joined.items())


def _form(ask: Ask) -> list[str]:
    """What shapes the order of hits, beside the examples."""
    return [repr(part) for part in (ask.by, ask.target, ask.where, ask.hubness)]
