"""A column of a table as kinds see it when an importer asks how the column may be used."""

import unicodedata
from dataclasses import dataclass

_UNSPACED = (("\u0e00", "\u0eff"), ("\u0f00", "\u109f"), ("\u1780", "\u17ff"))
"""Thai and Lao; Tibetan and Burmese; Khmer: alphabets of scripts that write no blanks."""
_UNSPACED_LETTERS, _WIDE_LETTERS = 4, 2
"""Letters of a mean word of those scripts, and of scripts with wide letters (Chinese, Japanese)."""
_LETTERS = 0.6
"""Least share of letters among the characters of a word."""
_NO_WORDS = set("@/\\_=:#<>{}|")
"""Characters of addresses, paths and codes."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column and an even sample of its cells.

    ``guess(column)`` of a kind returns ``modality`` where the column alone is a modality of this
    kind, the type of a field (``number``, ``category``, ``set``) where it is one column of a
    modality of fields, and None otherwise.

    Attributes:
        texts: cells of a column of text, without empty ones; empty for columns of other types.
        blobs: cells of a column of bytes, without empty ones.
        is_number: whether its cells are numbers or truth values.
        is_list: whether its cells are lists of texts.
        cells: number of all its cells that are not empty.
        distinct: number of different ones among them; 0 where nobody counted.
    """

    texts: tuple[str, ...] = ()
    blobs: tuple[bytes, ...] = ()
    is_number: bool = False
    is_list: bool = False
    cells: int = 0
    distinct: int = 0

    @property
    def words(self) -> float:
        """Mean number of words of a cell; 0 without cells."""
        return sum(map(words, self.texts)) / max(1, len(self.texts))

    @property
    def letters(self) -> float:
        """Mean number of letters in a cell's words; 0 without cells."""
        counts = (len(w) for text in self.texts for w in text.split() if words(w))
        return sum(counts) / max(1, len(self.texts))


def words(text: str) -> float:
    """Number of words, in scripts without blanks by the usual length of a word.

    Codes, numbers, addresses and paths are no words.

    >>> [words(text) for text in ("a red car", "A12-77", "a@b.org", "2024-01-05", "红色的小汽车")]
    [3, 0, 0, 0, 3.0]
    """
    return sum(map(_word, text.split()))


def _word(token: str) -> float:
    wide = sum(
        letter.isalpha() and unicodedata.east_asian_width(letter) in "WF" for letter in token
    )
    unspaced = sum(any(a <= letter <= b for a, b in _UNSPACED) for letter in token)
    if wide or unspaced:
        return max(1, wide / _WIDE_LETTERS + unspaced / _UNSPACED_LETTERS)
    if any(letter.isnumeric() for letter in token) or not _NO_WORDS.isdisjoint(token):
        return 0
    letters = sum(unicodedata.category(letter)[0] in "LM" for letter in token)
    return 1 if letters >= _LETTERS * len(token) and letters else 0
