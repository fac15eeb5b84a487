"""Text as hashed counts of words and their pieces.

Source: feature hashing with signs, Weinberger et al. 2009 (arXiv:0902.2206).
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.refs import digest_json
from components.parts.contracts import Kind

METHOD = {
    "id": "A12",
    "name": "feature hashing of text",
    "for": "short texts of any language, without a language model",
    "needs": "a modality of texts",
    "use": "modalities: {title: {encoders: hashing}}",
}
KIND = "text"
VERSION = 1
LIBRARIES: tuple[str, ...] = ()
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Config:
    """How text is encoded.

    Attributes:
        buckets: length of the vector.
        dropout: share of a vector's numbers that are hidden from the network in each training step.
    """

    buckets: Annotated[int, Field(ge=2, le=2**20)] = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class HashingEncoder:
    """Vectors ``float32 (buckets,)`` of unit length."""

    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0

    def __init__(self, config: Config) -> None:
        self._config = config
        self.shape: tuple[int, ...] = (config.buckets,)

    def digest(self) -> str:
        """SHA-256 of the number of buckets."""
        shaping = {"buckets": self._config.buckets}
        return digest_json({"encoder": "hashing", "version": VERSION, **shaping})

    def encode(self, values: Sequence[str]) -> NDArray[np.float32]:
        """Vectors ``(n, buckets)``."""
        return hashed(list(values), self._config.buckets)

    def network(self) -> Any:  # noqa: ANN401
        """A layer that centres the frozen vectors."""
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0], self._config.dropout)


def hashed(texts: list[str], buckets: int) -> NDArray[np.float32]:
    """Vectors ``(n, buckets)`` of signed hashed counts, of unit length.

    Counted are words, pairs of words and pieces of 3 to 5 characters: ``v[h(g)] += s(g) * (1 + log
    count(g))`` for each gram ``g``, then ``v / |v|``. Text without a word gives zeros.
    """
    out = np.zeros((len(texts), buckets), np.float32)
    for row, text in enumerate(texts):
        for gram, count in Counter(_grams(text)).items():
            bucket, sign = _place(gram, buckets)
            out[row, bucket] += sign * (1.0 + math.log(count))
    lengths = np.linalg.norm(out, axis=1, keepdims=True)
    out /= np.where(lengths > 0, lengths, 1.0)
    return out


def _grams(text: str) -> list[str]:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    pieces = [f"<{w}>"[i : i + n] for w in words for n in (3, 4, 5) for i in range(len(w) + 3 - n)]
    return [*(f"w:{w}" for w in words), *(f"p:{p}" for p in pairs), *(f"c:{p}" for p in pieces)]


@lru_cache(maxsize=1 << 18)
def _place(gram: str, buckets: int) -> tuple[int, int]:
    number = int.from_bytes(blake2b(gram.encode(), digest_size=8).digest(), "little")
    return (number >> 1) % buckets, 1 if number & 1 else -1


def build(config: Config, *, kind: Kind) -> HashingEncoder:  # noqa: ARG001
    """An encoder of text."""
    return HashingEncoder(config)
