"""Fields as one vector: numbers, then the buckets of each other column; missing values are marked.

Source: feature hashing, Weinberger et al. 2009 (arXiv:0902.2206), without signs. Each column has
its own buckets, so columns never collide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.refs import digest_json
from components.parts.kinds.tabular import TabularKind

METHOD = {
    "id": "A12",
    "name": "structured fields: quantile scores and hashed categories",
    "for": "numbers, categories and sets beside media",
    "needs": "a modality of fields",
    "use": "modalities: {facts: {encoders: fields}}",
}
KIND = "tabular"
VERSION = 1
LIBRARIES: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    """How fields are encoded and read.

    Attributes:
        buckets: hash buckets of each category column and each set column.
        width: size of the network's output.
        dropout: share of the numbers' scores and of the buckets that are hidden from the network in
            each training step.
        clip: the scores of numbers, quantiles of a normal variable, are cut off here.
    """

    buckets: Annotated[int, Field(ge=2, le=2**20)] = 64
    width: Annotated[int, Field(ge=1, le=65_536)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip: Annotated[float, Field(gt=0, le=1_000_000)] = 4.0


class FieldsEncoder:
    """Fields as ``float32``: numbers (NaN where missing), then the buckets of each other column.

    The first bucket of a category or set column means that it is missing.
    """

    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0

    def __init__(self, config: Config, types: dict[str, str]) -> None:
        self._config, self._types = config, types
        self._numbers = [c for c, kind in types.items() if kind == "number"]
        self._hashed = [c for c, kind in types.items() if kind != "number"]
        self.shape: tuple[int, ...] = (len(self._numbers) + len(self._hashed) * config.buckets,)

    def digest(self) -> str:
        """SHA-256 of columns, their types and the buckets."""
        shaping = {"types": self._types, "buckets": self._config.buckets}
        return digest_json({"encoder": "fields", "version": VERSION, **shaping})

    def encode(self, values: Sequence[dict[str, Any]]) -> NDArray[np.float32]:
        """Vectors ``(n, numbers + hashed columns * buckets)``."""
        out = np.zeros((len(values), *self.shape), np.float32)
        out[:, : len(self._numbers)] = np.nan
        for row, fields in enumerate(values):
            for at, column in enumerate(self._numbers):
                if (value := fields[column]) is not None:
                    out[row, at] = value
            for at, column in enumerate(self._hashed):
                start = len(self._numbers) + at * self._config.buckets
                for bucket in self._buckets(fields[column]):
                    out[row, start + bucket] = 1.0
        return out

    def network(self) -> Any:  # noqa: ANN401
        """A network with one hidden layer."""
        from components.parts.encoders._fields import FieldsNetwork

        return FieldsNetwork(self._config, len(self._numbers), self.shape[0])

    def _buckets(self, value: Any) -> list[int]:  # noqa: ANN401
        if value is None:
            return [0]
        members = value if isinstance(value, list) else [value]
        return [1 + _stable_hash(member) % (self._config.buckets - 1) for member in members]


def _stable_hash(text: str) -> int:
    """The same on every machine and in every process, unlike ``hash``."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def build(config: Config, *, kind: TabularKind) -> FieldsEncoder:
    """An encoder of the columns of a modality of fields."""
    return FieldsEncoder(config, kind.types)
