"""Copies of records within and across splits: what leaks, and the groups that would hold it.

Two records are linked where a modality of both has the same content (of texts the same words,
whatever their case, spaces and punctuation), or one that is a near copy (pictures:
``leaks.pictures``; texts and sounds: ``leaks.sketches``). A content that many records have says
nothing of any two of them, and so do equal rows of a table beside pictures, texts or sounds. Linked
records form groups; nothing is ever removed.

Source: perceptual hashing, sketches and landmarks as named in ``leaks``; leaks between labelled and
unlabelled records as in SemiOccam (2025).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from components.data.splits import SPLITS
from components.evaluation.leaks import pictures, sketches, sounds

METHOD = {
    "id": "C03",
    "name": "duplicates and leakage",
    "for": "scores that copies of training records in the test split make too good",
    "needs": "any modality; near copies of pictures, texts and sounds",
    "use": "concord data check DIR",
}

_COMMON = 16
"""Records with one content from which on it links none of them."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """Two records ``a < b`` by row, the modality that they share, and how alike it is."""

    a: int
    b: int
    modality: str
    alike: float


@dataclass(kw_only=True)
class Prints:
    """Finds copies within one modality, value by value, in bounded memory per record.

    Attributes:
        modality: its name.
        rows: record of each value.
        contents: 8 bytes of each value's content.
        thumbnails: of pictures.
        sketches: of texts and sounds.
    """

    modality: str
    rule: sketches.Rule | None = None
    rows: list[int] = field(default_factory=list)
    contents: list[int] = field(default_factory=list)
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)
    sketches: list[NDArray[np.uint32]] = field(default_factory=list)

    def add(self, row: int, content: bytes, value: object) -> None:
        """Take a value: its content, and its decoded form, whose type tells what it is."""
        self.rows.append(row)
        content = sketches.plain(value) if isinstance(value, str) else content
        digest = blake2b(content, digest_size=8).digest()
        self.contents.append(int.from_bytes(digest, "little", signed=True))
        if isinstance(value, str):
            self.rule = sketches.TEXTS
            self.sketches.append(sketches.sketch(sketches.pieces(value), self.rule))
        elif hasattr(value, "samples"):
            self.rule = sketches.SOUNDS
            self.sketches.append(sketches.sketch(sounds.landmarks(value.samples), self.rule))
        elif isinstance(value, Image):
            self.thumbnails.append(pictures.thumbnail(value))

    def links(self) -> Iterator[Link]:
        """Equal contents, then near copies."""
        rows, seen = self.rows, set[tuple[int, int]]()
        for a, b in equal(np.array(self.contents, np.int64)):
            seen.add((a, b))
            yield Link(a=rows[a], b=rows[b], modality=self.modality, alike=1.0)
        rare = np.flatnonzero(~_shared_by_many(np.array(self.contents, np.int64))).tolist()
        for first, second, alike in self._near(rare):
            a, b = rare[first], rare[second]
            if (a, b) not in seen:
                seen.add((a, b))
                yield Link(a=rows[a], b=rows[b], modality=self.modality, alike=min(alike, 1.0))

    def _near(self, values: Sequence[int]) -> Iterable[tuple[int, int, float]]:
        """Positions among some of the values of near copies, and how alike they are."""
        if self.rule is not None:
            return sketches.copies([self.sketches[at] for at in values], self.rule)
        if self.thumbnails and values:
            return pictures.copies(np.stack([self.thumbnails[at] for at in values]))
        return ()


def equal(contents: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Neighbours ``a < b`` among equal numbers ``(n,)`` that few share: enough to connect them."""
    order = np.argsort(contents, kind="stable")
    _, starts, counts = np.unique(contents[order], return_index=True, return_counts=True)
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        if 1 < count <= _COMMON:
            members = order[start : start + count].tolist()
            yield from pairwise(members)


def _shared_by_many(contents: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which numbers ``(n,)`` more records have than ``equal`` connects."""
    _, own, counts = np.unique(contents, return_inverse=True, return_counts=True)
    found: NDArray[np.bool_] = counts[own] > _COMMON
    return found


def of_contents(
    names: Sequence[str], contents: NDArray[np.int64], present: NDArray[np.bool_]
) -> list[Link]:
    """Links by equal contents ``(n, modalities)`` alone, as a features folder knows them."""
    found = []
    for column, name in enumerate(names):
        at = np.flatnonzero(present[:, column])
        found += [
            Link(a=int(at[a]), b=int(at[b]), modality=name, alike=1.0)
            for a, b in equal(contents[at, column])
        ]
    return found


def telling(kinds: Mapping[str, str]) -> list[str]:
    """The modalities, given with their kinds, in which equal records are copies.

    >>> telling({"facts": "tabular", "photo": "image"}), telling({"facts": "tabular"})
    (['photo'], ['facts'])
    """
    others = sorted(name for name, kind in kinds.items() if kind != "tabular")
    return others or sorted(kinds)


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """Copies of a data set.

    Attributes:
        links: pairs of copies of different declared groups.
        copies: ``(n,)`` number of each record's group of copies, declared groups included.
        pairs: split and split, in the order train, val, test, to the links between them.
        by_modality: modality to the links that it makes across splits.
        leaked: ``(n,)`` whether a record of val or test has a copy in a split before its own.
        straddling: groups of copies that lie in several splits.
    """

    links: list[Link]
    copies: NDArray[np.int64]
    pairs: dict[tuple[str, str], int]
    by_modality: dict[str, int]
    leaked: NDArray[np.bool_]
    straddling: int


def leaks(links: Iterable[Link], splits: Sequence[str], groups: Sequence[str]) -> Leaks:
    """Connect copies, and count those that lie in different splits.

    Args:
        links: pairs of copies; those of one declared group are left out, since they never straddle.
        splits: of each record.
        groups: declared group of each record, else its id.
    """
    kept = [link for link in links if groups[link.a] != groups[link.b]]
    numbers = {group: n for n, group in enumerate(dict.fromkeys(groups))}
    declared = np.array([numbers[group] for group in groups], np.int64)
    copies = _connected(len(numbers), [(declared[k.a], declared[k.b]) for k in kept])[declared]
    rank = np.array([SPLITS.index(split) for split in splits], np.int64)
    across = [link for link in kept if rank[link.a] != rank[link.b]]
    first = np.full(int(copies.max(initial=-1)) + 1, len(SPLITS), np.int64)
    np.minimum.at(first, copies, rank)
    last = np.zeros_like(first)
    np.maximum.at(last, copies, rank)
    pairs = Counter(tuple(sorted((splits[k.a], splits[k.b]), key=SPLITS.index)) for k in kept)
    return Leaks(
        links=kept,
        copies=copies,
        pairs={(a, b): pairs[a, b] for a in SPLITS for b in SPLITS if pairs[a, b]},
        by_modality=dict(sorted(Counter(link.modality for link in across).items())),
        leaked=rank > first[copies],
        straddling=int((last > first).sum()),
    )


def _connected(count: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Number of the connected group of each of ``count`` things: that of its first member."""
    parent = list(range(count))

    def root(of: int) -> int:
        while parent[of] != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    for a, b in pairs:
        low, high = sorted((root(int(a)), root(int(b))))
        parent[high] = low
    return np.array([root(of) for of in range(count)], np.int64)


def effect(
    found: NDArray[np.bool_],
    figure: Callable[[NDArray[np.int64]], float],
    rows: NDArray[np.int64],
) -> Mapping[str, float | int]:
    """A figure of test records ``rows (t,)`` with and without those that leak.

    Args:
        found: ``(n,)`` whether a record leaks.
        figure: takes positions ``(k,)`` among ``rows``, gives a figure.
        rows: the labelled test records.
    """
    clean = np.flatnonzero(~found[rows])
    return {
        "records": len(rows),
        "leaked": len(rows) - len(clean),
        "all": figure(np.arange(len(rows))),
        "without_leaks": figure(clean) if len(clean) else float("nan"),
    }
