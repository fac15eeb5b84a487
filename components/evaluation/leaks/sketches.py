"""Copies among sets of pieces: words of a text, landmarks of a sound.

Of each set the smallest hashes are kept, a fair sample of it. Sets whose least hashes agree in a
band of permutations are candidates (buckets, no N²), and copies where they share enough of what
they have, each piece counted by how rare it is.

Source: min-wise sketches and bands, Broder 1997 (On the Resemblance and Containment of Documents);
weights by inverse document frequency, Spärck Jones 1972. Own lines rather than datasketch, whose
signatures know no weights.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import normalize
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_PIECE, _SEVERAL = 4, 2
_MARKS = " \t\n.,;:!?\"'()[]"
_WORD = re.compile(r"\w+")
_COMMON = 24
"""Sets that agree in a band from which on it makes no candidates."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When two sets are copies.

    Attributes:
        kept: hashes that a sketch has at most.
        least: pieces that a set needs to be told apart; smaller ones have no near copies.
        alike: weighted share of common pieces from which on two sets are copies.
        bands: of permutations; sets that agree in one of them are candidates.
        width: permutations of a band.
    """

    kept: int
    least: int
    alike: float
    bands: int
    width: int


TEXTS = Rule(kept=64, least=16, alike=0.6, bands=16, width=3)
"""A share of 0.6 makes two texts candidates with probability 0.98, and one of 0.2 with 0.12."""
SOUNDS = Rule(kept=256, least=24, alike=0.08, bands=128, width=2)
"""A share of 0.1 makes two sounds candidates with probability 0.72, and one of 0.01 with 0.01."""


def words(text: str) -> list[str]:
    """The words of a text, with case and the form of letters normalised.

    >>> words("Ｒed\u00a0HAT!"), words("red, hat")
    (['red', 'hat'], ['red', 'hat'])
    """
    return _WORD.findall(normalize("NFKC", text).casefold())


def plain(text: str) -> bytes:
    """What two texts have in common that differ in case, spaces and punctuation alone.

    In a text of one word other signs than marks of sentences count: C, C++, C#.

    >>> plain("Red  hat!"), plain("C++"), plain("c.")
    (b'red hat', b'c++', b'c')
    """
    found = words(text)
    if len(found) < _SEVERAL:
        folded = normalize("NFKC", text).casefold()
        found = (folded.strip(_MARKS) or folded).split()
    return " ".join(found).encode("utf-8", "surrogatepass")


def pieces(text: str) -> NDArray[np.uint32]:
    """Hashes of the pieces of four characters in the words of a text, whatever their order.

    >>> sorted(pieces("Red hat")) == sorted(pieces("hat, RED!"))
    True
    """
    spaced = (f" {word} " for word in words(text))
    parts = {w[at : at + _PIECE] for w in spaced for at in range(max(1, len(w) - _PIECE + 1))}
    # CRC-32 spreads bits well enough for a sample, and is quick and the same everywhere.
    return np.array([crc32(part.encode()) for part in parts], np.uint32)


def sketch(hashes: NDArray[np.uint32], rule: Rule) -> NDArray[np.uint32]:
    """The smallest hashes of a set, sorted; none of a set that is too small."""
    found = np.unique(hashes)
    return found[: rule.kept] if len(found) >= rule.least else found[:0]


def copies(sketches: Sequence[NDArray[np.uint32]], rule: Rule) -> Iterator[tuple[int, int, float]]:
    """Pairs of copies among the sketches of sets, and how alike they are (at most 1)."""
    lengths = np.fromiter(map(len, sketches), np.int64, len(sketches))
    if not lengths.sum():
        return
    _, inverse, counts = np.unique(
        np.concatenate(sketches), return_inverse=True, return_counts=True
    )
    weights = np.log(max(2, int((lengths > 0).sum())) / counts)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    for a, b in _candidates(sketches, rule):
        mine, other = (inverse[starts[i] : starts[i + 1]] for i in (a, b))
        alike = _likeness(mine, other, weights, rule.kept)
        if alike >= rule.alike:
            yield a, b, alike


def _candidates(sketches: Sequence[NDArray[np.uint32]], rule: Rule) -> list[tuple[int, int]]:
    """Pairs of sets that agree in a band, each once."""
    sets = np.array([row for row, hashes in enumerate(sketches) if len(hashes)], np.int64)
    keys = np.stack([_keys(sketches[row], rule) for row in sets])
    codes = [np.zeros(0, np.int64)]
    for band in keys.T:
        order = np.argsort(band, kind="stable")
        sorted_, rows = band[order], sets[order]
        _, at, counts = np.unique(sorted_, return_inverse=True, return_counts=True)
        few = counts[at] <= _COMMON
        sorted_, rows = sorted_[few], rows[few]
        for apart in range(1, min(_COMMON, len(rows))):
            same = sorted_[apart:] == sorted_[:-apart]
            if not same.any():
                break
            codes.append((rows[:-apart][same] << 32) | rows[apart:][same])
    found = np.unique(np.concatenate(codes))
    return list(zip((found >> 32).tolist(), (found & (2**32 - 1)).tolist(), strict=True))


def _keys(hashes: NDArray[np.uint32], rule: Rule) -> NDArray[np.uint64]:
    """``(bands,)``: the least hashes of each band's permutations, mixed to one number."""
    count = rule.bands * rule.width
    odd = np.random.default_rng(count).integers(0, 2**31, (2, count), np.uint32) * 2 + 1
    mixed = hashes[:, None] * odd[0]
    mixed ^= mixed >> np.uint32(15)
    least = (mixed * odd[1]).min(axis=0).astype(np.uint64).reshape(rule.bands, rule.width)
    key = np.zeros(rule.bands, np.uint64)
    for column in least.T:
        key = key * np.uint64(0x9E3779B97F4A7C15) + column
    return key


def _likeness(
    a: NDArray[np.int64], b: NDArray[np.int64], weights: NDArray[np.float64], kept: int
) -> float:
    """Weighted share of common pieces among the smallest of both, as a sketch of the union has."""
    union = np.union1d(a, b)[:kept]
    both = np.intersect1d(np.intersect1d(a, b, assume_unique=True), union, assume_unique=True)
    whole = float(weights[union].sum())
    return float(weights[both].sum()) / whole if whole else 0.0
