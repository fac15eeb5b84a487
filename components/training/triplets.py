"""Triplets for a composer, made of records that differ in one field.

A triplet is a pair of training records that agree in every categorical attribute but one: the
first is the reference, and the second gives the text and the target. A missing value, or a hidden
label, must agree like any other value, but is never what differs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.config.composer import ComposerConfig
from components.core.errors import UserError
from components.features.categories import UNKNOWN, Categories, categories
from components.features.store import Features

TRIPLETS = "triplets.parquet"
_HELD_OUT = 0.2
"""Share of the groups of records whose triplets judge."""
_JUDGES = 2000
"""Held-out triplets at most."""

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Triplets:
    """``k`` triplets.

    Attributes:
        references: rows ``(k,)`` of the records that are to be changed.
        targets: rows ``(k,)`` of those that are wanted; they give the text too.
        changed: name of the attribute in which the two differ ``(k,)``.
        held_out: which ``(k,)`` judge; no record of theirs, nor of its group, is in another one.
    """

    references: Rows
    targets: Rows
    changed: NDArray[np.str_]
    held_out: Mask

    def __len__(self) -> int:
        """Number of triplets."""
        return len(self.references)

    def save(self, folder: Path) -> None:
        """Write ``triplets.parquet``."""
        columns = {
            "reference": self.references,
            "target": self.targets,
            "changed": self.changed.tolist(),
            "held_out": self.held_out,
        }
        pq.write_table(pa.table(columns), folder / TRIPLETS)

    @classmethod
    def load(cls, folder: Path) -> "Triplets":
        """Read what ``save`` wrote."""
        table = pq.read_table(folder / TRIPLETS)
        return cls(
            references=table["reference"].to_numpy(),
            targets=table["target"].to_numpy(),
            changed=np.array(table["changed"].to_pylist(), dtype=np.str_),
            held_out=table["held_out"].to_numpy(),
        )


def write_triplets(features: Path, composer: ComposerConfig, seed: int, out: Path) -> None:
    """The step that draws triplets, before anything is trained.

    Raises:
        UserError: no two training records differ in one categorical attribute alone.
    """
    triplets(Features.load(features), composer, seed).save(out)


def triplets(data: Features, composer: ComposerConfig, seed: int) -> Triplets:
    """Triplets of the training records: at most so many to learn from, and 2,000 that judge.

    Raises:
        UserError: no two of them differ in one categorical attribute alone.
    """
    rng, found = np.random.default_rng(seed), categories(data)
    rows = data.rows("train")
    has = {n: data.present[rows, data.names.index(n)] for n in (composer.reference, composer.text)}
    pictured, both = has[composer.reference], np.logical_and.reduce(list(has.values()))
    judges = _held_out([data.groups[row] for row in rows], rng)
    known = Categories(names=found.names, codes=found.codes[rows])
    pieces = []
    for part, most in ((~judges, composer.triplets), (judges, _JUDGES)):
        i, j, attribute = differing_in_one(known, pictured & part, both & part, most, rng)
        fine = _distinct(data, rows[i], rows[j], composer.reference)
        pieces.append((rows[i][fine], rows[j][fine], attribute[fine]))
    i, j, attribute = (np.concatenate(column) for column in zip(*pieces, strict=True))
    if not len(pieces[0][0]):
        raise UserError(
            f"composer: got no two training records with {composer.reference}, one of them with"
            f" {composer.text} too, that agree in all but one of {', '.join(found.names)}; remove"
            " `composer`, or describe fewer columns as categories in the manifest"
        )
    held_out = np.arange(len(i)) >= len(pieces[0][0])
    changed = np.array(found.names, dtype=np.str_)[attribute]
    return Triplets(references=i, targets=j, changed=changed, held_out=held_out)


def differing_in_one(
    of: Categories, references: Mask, targets: Mask, most: int, rng: np.random.Generator
) -> tuple[Rows, Rows, Rows]:
    """Distinct pairs that agree in all attributes but one: rows ``(k,)``, rows, the attribute.

    Every attribute gets the same number of draws. A draw is a reference that has a partner, and
    one of its partners; each is as likely as the others. It takes ``n log n`` for each attribute.

    Args:
        of: the attributes of ``n`` records.
        references: which records ``(n,)`` may be the reference.
        targets: which may be the target.
        most: pairs at most.
        rng: draws.
    """
    none = np.zeros((0, 3), np.int64)
    share = most // max(1, len(of.names))
    drawn = [
        _drawn(of.codes[:, at], alike, at, references, targets, share, rng)
        for at, alike in enumerate(_alike_but_for_one(of.codes))
    ]
    i, j, attribute = np.concatenate([none, *drawn]).T
    return i, j, attribute


def _alike_but_for_one(codes: NDArray[np.int64]) -> Iterator[Rows]:
    """For each attribute equal numbers ``(n,)`` for records that agree in all others.

    Attributes before and after each one are joined step by step: a sort for each, not for each
    pair of them.
    """
    columns = list(codes.T)
    start = np.zeros(len(codes), np.int64)
    before = list(accumulate(columns, _both, initial=start))
    after = list(accumulate(columns[::-1], _both, initial=start))[::-1]
    for left, right in zip(before[:-1], after[1:], strict=True):
        yield _both(left, right)


def _both(first: Rows, second: Rows) -> Rows:
    """Equal numbers ``(n,)``, from 0, where both are equal; numbers are -1 or more."""
    width = int(second.max(initial=0)) + 2
    numbers = np.unique(first * width + second + 1, return_inverse=True)[1]
    return np.asarray(numbers, dtype=np.int64).reshape(-1)


def _drawn(
    own: Rows,
    alike: Rows,
    at: int,
    references: Mask,
    targets: Mask,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Distinct pairs that differ in one attribute ``(<= count, 3)``, sorted."""
    width = int(own.max(initial=0)) + 1
    key = alike * width + own
    partners = np.flatnonzero(targets & (own != UNKNOWN))
    partners = partners[np.argsort(key[partners], kind="stable")]
    ordered = key[partners]
    asking = np.flatnonzero(references & (own != UNKNOWN))
    # Partners of equal other attributes are one stretch; in it, those of the own value another.
    start, end = (np.searchsorted(ordered, (alike[asking] + more) * width) for more in (0, 1))
    left, right = (np.searchsorted(ordered, key[asking], side=s) for s in ("left", "right"))
    number = (end - start) - (right - left)
    chosen = np.flatnonzero(number)
    if not len(chosen):
        return np.zeros((0, 3), np.int64)
    chosen = rng.choice(chosen, count)
    place = start[chosen] + rng.integers(number[chosen])
    place += np.where(place >= left[chosen], right[chosen] - left[chosen], 0)
    pairs = np.stack([asking[chosen], partners[place], np.full(count, at)], axis=1)
    return np.unique(pairs, axis=0)


def _held_out(groups: list[str], rng: np.random.Generator) -> Mask:
    """Which records judge: whole groups, about a fifth of them."""
    names, of = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    return np.asarray(rng.random(len(names)) < _HELD_OUT)[of]


def _distinct(data: Features, i: Rows, j: Rows, reference: str) -> Mask:
    """Pairs of two groups whose values of a modality are not the same."""
    contents = data.contents[:, data.names.index(reference)]
    groups = np.array(data.groups, dtype=np.str_)
    return np.asarray((contents[i] != contents[j]) & (groups[i] != groups[j]))
