"""Text as sparse counts of its words and its pieces of characters; weights are fitted later.

Counted are words and pairs of words, pieces of 1 to 4 characters within the borders of a word, and
single symbols. Scripts that put no spaces between words (Han, Kana, Thai, Lao, Khmer, Myanmar) have
no words here, only pieces of a run of characters.

Source: feature hashing, Weinberger et al. 2009 (arXiv:0902.2206), without signs, so that the number
of records with a bucket is known; pieces of characters, Cavnar & Trenkle 1994.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from components.core.refs import digest_json
from components.parts.contracts import Kind

KIND = "text"
VERSION = 1
LIBRARIES = ("scipy",)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How text is counted.

    Attributes:
        buckets: length of a row: words have the first half, pieces and symbols the second.
    """

    buckets: Annotated[int, Field(ge=1024, le=2**24, multiple_of=2)] = 2**18


class NgramsEncoder:
    """Rows of a sparse array, ``float32 (buckets,)``: how often each gram occurs."""

    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0
    sparse = True

    def __init__(self, config: Config) -> None:
        self._config = config
        self.shape: tuple[int, ...] = (config.buckets,)

    def digest(self) -> str:
        """SHA-256 of the number of buckets."""
        shaping = {"buckets": self._config.buckets}
        return digest_json({"encoder": "ngrams", "version": VERSION, **shaping})

    def encode(self, values: Sequence[str]) -> Any:  # noqa: ANN401
        """Counts, a ``csr_array (n, buckets)``."""
        from components.parts.encoders._ngrams import counted

        return counted(values, self._config.buckets)


def build(config: Config, *, kind: Kind) -> NgramsEncoder:  # noqa: ARG001
    """An encoder of text."""
    return NgramsEncoder(config)
