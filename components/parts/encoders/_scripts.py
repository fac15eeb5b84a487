"""In which scripts texts are written."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # iteration mark, closing mark and zero of Han
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Myanmar
    (0xAA60, 0xAA7F),  # Myanmar
    (0xF900, 0xFAFF),  # Han
    (0x20000, 0x323AF),  # Han
)
"""First and last code point of scripts that put no spaces between words."""
_ENOUGH = 1_000
"""Texts that are read to decide on a script."""


def script_shares(texts: Sequence[str], at_most: int = _ENOUGH) -> dict[str, float]:
    """Share of each script among the letters of evenly spaced texts.

    A script is the first word of its letters' Unicode names (``LATIN``, ``CYRILLIC``, ``CJK``).
    Each text counts once, so that no long one decides alone; texts without letters do not count.

    >>> script_shares(["abc", "где", "123"])
    {'LATIN': 0.5, 'CYRILLIC': 0.5}
    """
    step = max(1, -(-len(texts) // at_most))
    total: dict[str, float] = defaultdict(float)
    for text in texts[::step]:
        letters = Counter(_script(c) for c in unicodedata.normalize("NFKC", text) if c.isalpha())
        for script, count in letters.items():
            total[script] += count / letters.total()
    return {script: share / sum(total.values()) for script, share in total.items()}


def mostly_latin(texts: Sequence[str]) -> bool:
    """Whether more than half of the letters are Latin ones, or there are no letters at all.

    >>> mostly_latin(["Red shoes", "Blue hat (青)"])
    True
    >>> mostly_latin(["红色的鞋子", "蓝帽子 XL"])
    False
    """
    shares = script_shares(texts)
    return not shares or shares.get("LATIN", 0.0) > 0.5


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split(maxsplit=1)[0]
