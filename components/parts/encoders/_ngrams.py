"""Counts of hashed grams, for many texts at once without a loop over grams.

All texts lie side by side in one array of code points, in which 0 is a border: whatever is not part
of a word, and the end of a text. A gram is a window of that array, its hash a polynomial of the
window's code points.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.parts.encoders._scripts import UNSPACED

LONGEST = 4
"""Characters of the longest piece."""
_AT_ONCE = 1 << 18
"""Characters that are counted together: few enough that the arrays stay in the cache."""
_KNOWN = 0x32400
"""No later code point is a letter (Unicode 16)."""
_BORDER, _SPACED, _UNSPACED, _SYMBOL, _UNSEEN = range(5)
_KINDS = np.full(_KNOWN + 1, _UNSEEN, np.uint8)
"""Kind of each code point that occurred; the last one stands for all later ones."""

Numbers = NDArray[np.uint64]


class _Grams(NamedTuple):
    """Grams of texts: the text that each is in ``(grams,)``, and its hash ``(grams,)``."""

    text: NDArray[np.int64]
    hash: Numbers


def counted(texts: Sequence[str], buckets: int) -> Any:  # noqa: ANN401
    """Counts, a ``csr_array (n, buckets)`` of float32 with sorted columns."""
    from scipy.sparse import csr_array, vstack

    parts = [_counted(part, buckets) for part in _parted(texts)]
    return vstack(parts, format="csr") if parts else csr_array((0, buckets), dtype=np.float32)


def _parted(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts, normalised, in parts of about ``_AT_ONCE`` characters."""
    part: list[str] = []
    length = 0
    for text in texts:
        part.append(unicodedata.normalize("NFKC", text).casefold())
        length += len(part[-1])
        if length >= _AT_ONCE:
            yield part
            part, length = [], 0
    if part:
        yield part


def _counted(texts: list[str], buckets: int) -> Any:  # noqa: ANN401
    from scipy.sparse import csr_array

    codes, kinds, text = _laid_out(texts)
    words, pieces = _words(codes, kinds, text), _pieces(codes, kinds, text)
    half = np.uint64(buckets // 2)
    bucket = np.concatenate([words.hash % half, pieces.hash % half + half]).astype(np.int64)
    places = np.concatenate([words.text, pieces.text]) * buckets + bucket
    places, counts = np.unique(places, return_counts=True)
    lengths = np.bincount(places // buckets, minlength=len(texts))
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    columns = (places % buckets).astype(np.int32)
    return csr_array((counts.astype(np.float32), columns, indptr), shape=(len(texts), buckets))


def _laid_out(
    texts: list[str],
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """Code points, kinds and text numbers of all characters ``(characters,)``.

    A border stands before and after each text, and where a run of one script meets a run of the
    other sort.
    """
    whole = "\n" + "\n".join(texts) + "\n"
    codes = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    text = np.concatenate([np.repeat(np.arange(len(texts)), lengths + 1), [len(texts)]])
    kinds = _kinds(codes)
    meet = 1 + np.flatnonzero((kinds[1:] != kinds[:-1]) & (kinds[1:] > 0) & (kinds[:-1] > 0))
    return np.insert(codes, meet, 0), np.insert(kinds, meet, 0), np.insert(text, meet, text[meet])


def _words(codes: NDArray[np.int64], kinds: NDArray[np.uint8], text: NDArray[np.int64]) -> _Grams:
    """Words and pairs of neighbouring words of scripts with spaces."""
    inside = (kinds == _SPACED) | (kinds == _UNSPACED)
    starts = np.flatnonzero(inside[1:] & ~inside[:-1]) + 1
    ends = np.flatnonzero(inside[:-1] & ~inside[1:]) + 1
    if not len(starts):
        return _Grams(np.empty(0, np.int64), np.empty(0, np.uint64))
    lengths = ends - starts
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    terms = _mixed(codes[inside].astype(np.uint64)) * _powers(int(lengths.max()))[within]
    whole = np.add.reduceat(terms, np.cumsum(lengths) - lengths)
    spaced, own = kinds[starts] == _SPACED, text[starts]
    paired = spaced[1:] & spaced[:-1] & (own[1:] == own[:-1])
    pairs = whole[:-1] * np.uint64(_MANY[0]) + whole[1:] + np.uint64(1)
    return _Grams(
        np.concatenate([own[spaced], own[:-1][paired]]),
        _mixed(np.concatenate([whole[spaced], pairs[paired]])),
    )


def _pieces(codes: NDArray[np.int64], kinds: NDArray[np.uint8], text: NDArray[np.int64]) -> _Grams:
    """Windows of 1 to 4 characters: within a run or, in scripts with spaces, with its borders."""
    letters = (kinds == _SPACED) | (kinds == _UNSPACED)
    first = np.flatnonzero(letters | (kinds == _SYMBOL))
    found = [_Grams(text[first], _mixed(codes[first].astype(np.uint64)))]
    codes = np.where(letters, codes, 0)
    # A border belongs to the word of scripts with spaces on one side of it.
    before = np.concatenate([kinds[1:] == _SPACED, [False]]) & ~letters | letters
    after = np.concatenate([[False], kinds[:-1] == _SPACED]) & ~letters | letters
    hashed = codes.astype(np.uint64)
    inner = np.ones(len(codes), np.bool_)
    for size in range(2, LONGEST + 1):
        count = len(codes) - size + 1
        if count < 1:
            break
        many = np.uint64(_MANY[size - 1])
        hashed = hashed[:count] * many + codes[size - 1 :].astype(np.uint64)
        if size > 2:
            inner = inner[:count] & letters[size - 2 : size - 2 + count]
        whole = before[:count] & after[size - 1 :] & inner[:count]
        whole &= letters[:count] | letters[size - 1 :] | (size > 2)
        at = np.flatnonzero(whole)
        found.append(_Grams(text[at + ~letters[at]], _mixed(hashed[at] + np.uint64(size << 40))))
    return _Grams(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


# Odd numbers without pattern, for the polynomials: digits of pi, e, the golden ratio, sqrt 2.
_MANY = (0x243F6A8885A308D3, 0xB7E151628AED2A6B, 0x9E3779B97F4A7C15, 0x6A09E667F3BCC909)


def _mixed(numbers: Numbers) -> Numbers:
    """Numbers whose every bit depends on all bits of the given ones (MurmurHash3's end)."""
    out = numbers ^ (numbers >> np.uint64(33))
    out *= np.uint64(0xFF51AFD7ED558CCD)
    out ^= out >> np.uint64(33)
    out *= np.uint64(0xC4CEB9FE1A85EC53)
    out ^= out >> np.uint64(33)
    return out


def _powers(count: int) -> Numbers:
    """Powers ``(count,)`` of an odd number, modulo 2^64."""
    factors = np.full(count, _MANY[2], np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _kinds(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Kinds of code points; each is looked up once, since all of them would take a while."""
    codes = np.minimum(codes, _KNOWN)
    for code in np.unique(codes[_KINDS[codes] == _UNSEEN]).tolist():
        _KINDS[code] = _kind(code)
    return _KINDS[codes]


def _kind(code: int) -> int:
    category = unicodedata.category(chr(code))
    # A mark belongs to its letter: without it, words of many scripts would fall apart.
    if category[0] in "LMN":
        return _UNSPACED if any(start <= code <= stop for start, stop in UNSPACED) else _SPACED
    return _SYMBOL if category[0] in "PS" else _BORDER
