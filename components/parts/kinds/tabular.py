"""Fields: numbers, categories and sets of one record as one vector, with explicit marks for what is missing.

Source: A12, structured-field encoder: feature hashing, Weinberger et al. 2009 (arXiv:0902.2206), without signs; each column has
its own buckets, so columns never collide.
"""

import json
import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.errors import BadInput, UsageError, unknown_name
from components.core.refs import digest_json
from components.parts.contracts import Encoder, Raw

VERSION = 1
"""Raise it when the same fields encode to another vector."""

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How fields are encoded and read.

    Attributes:
        encoder: ``fields``, the only one so far.
        buckets: hash buckets of each category column and each set column.
        width: size of the encoder's answer.
        dropout: share of the standardised numbers and buckets that are hidden from the network in each training step.
        clip: standardised numbers are cut off here, so that one wild value cannot rule a record.
        max_items: members that a set may have.
        max_characters: length of a category or of a set's member.
    """

    encoder: Literal["fields"] = "fields"
    buckets: int = 64
    width: int = 128
    dropout: float = 0.0
    clip: float = 4.0
    max_items: int = 1000
    max_characters: int = 1000

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise UsageError(f"tabular dropout: got {self.dropout}, wanted 0 to below 1")
        if self.buckets < 2 or self.width < 1:
            raise UsageError(
                f"tabular buckets and width: got {self.buckets} and {self.width}, wanted at least 2 and 1"
            )


class TabularModality:
    """Fields as ``float32``: numbers (NaN where missing), then the buckets of each other column.

    The first bucket of a category or set column says that it is missing.
    """

    kind = "tabular"
    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, config: Config, name: str, columns: dict[str, dict[str, Any]]) -> None:
        self.name = name
        self._config = config
        self._types = {column: str(spec["type"]) for column, spec in sorted(columns.items())}
        self._numbers = [c for c, kind in self._types.items() if kind == "number"]
        self._hashed = [c for c, kind in self._types.items() if kind != "number"]
        self.shape: tuple[int, ...] = (len(self._numbers) + len(self._hashed) * config.buckets,)

    def digest(self) -> str:
        """SHA-256 of columns, their types and the buckets."""
        return digest_json(
            {
                "kind": self.kind,
                "version": VERSION,
                "types": self._types,
                "buckets": self._config.buckets,
            }
        )

    def content(self, raw: Raw) -> bytes:
        """The fields as JSON with sorted names and members."""
        fields = self._fields(raw)
        return json.dumps(
            {c: sorted(v) if isinstance(v, list) else v for c, v in fields.items()}, sort_keys=True
        ).encode()

    def check(self, raw: Raw) -> None:
        """Look at every field.

        Raises:
            BadInput: unknown column, a value of the wrong type, or too long.
        """
        self._fields(raw)

    def encode(self, raws: list[Raw]) -> NDArray[np.float32]:
        """Vectors ``(n, numbers + hashed columns * buckets)``."""
        out = np.zeros((len(raws), *self.shape), np.float32)
        out[:, : len(self._numbers)] = np.nan
        for row, raw in enumerate(raws):
            fields = self._fields(raw)
            for at, column in enumerate(self._numbers):
                if (value := fields[column]) is not None:
                    out[row, at] = value
            for at, column in enumerate(self._hashed):
                start = len(self._numbers) + at * self._config.buckets
                for bucket in self._buckets(fields[column]):
                    out[row, start + bucket] = 1.0
        return out

    def preview(self, raw: Raw) -> str:
        """JSON of the fields that are there."""
        return json.dumps(
            {c: v for c, v in self._fields(raw).items() if v is not None}, ensure_ascii=False
        )

    def encoder(self) -> Encoder:
        """A new encoder of these columns."""
        return FieldsEncoder(self._config, len(self._numbers), self.shape[0])

    def _buckets(self, value: Any) -> list[int]:  # noqa: ANN401
        if value is None:
            return [0]
        members = value if isinstance(value, list) else [value]
        return [1 + _stable_hash(member) % (self._config.buckets - 1) for member in members]

    def _fields(self, raw: Raw) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise BadInput(self.name, f"a {type(raw).__name__}", "fields by column name")
        if unknown := sorted(str(c) for c in raw if c not in self._types):
            hint = unknown_name("column", unknown[0], self._types)
            raise BadInput(
                f"{self.name}.{unknown[0]}", "a column that is not there", f"one that is ({hint})"
            )
        return {
            column: self._value(column, kind, raw.get(column))
            for column, kind in self._types.items()
        }

    def _value(self, column: str, kind: str, value: Any) -> Any:  # noqa: ANN401
        where = f"{self.name}.{column}"
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if kind == "number":
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not abs(value) <= _LARGEST
            ):
                raise BadInput(where, repr(value)[:80], "a finite number or null")
            return float(value)
        if kind == "category":
            return self._word(where, value)
        if not isinstance(value, list | tuple) or len(value) > self._config.max_items:
            raise BadInput(
                where,
                repr(value)[:80],
                f"a list of at most {self._config.max_items} members, or null",
            )
        return [self._word(where, member) for member in value]

    def _word(self, where: str, value: Any) -> str:  # noqa: ANN401
        if not isinstance(value, str) or len(value) > self._config.max_characters:
            raise BadInput(
                where,
                repr(value)[:80],
                f"text of at most {self._config.max_characters} characters, or null",
            )
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadInput(
                where, "text with half a surrogate pair", "text that UTF-8 can hold"
            ) from error
        return value


def _stable_hash(text: str) -> int:
    """The same on every machine and in every process, unlike ``hash``."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class FieldsEncoder(Encoder):
    """Standardised numbers, marks for missing ones, and hashed members, through one hidden layer."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: Config, numbers: int, size: int) -> None:
        super().__init__()
        self._numbers, self._clip, self._dropout = numbers, config.clip, config.dropout
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(numbers))
        self.layers = nn.Sequential(
            nn.Linear(size + numbers, config.width), nn.GELU(), nn.LayerNorm(config.width)
        )
        self.out_dim = config.width

    def fit(self, inputs: Tensor) -> None:
        """Take each number's median and spread over ``inputs (n, size)``; missing ones do not count."""
        for column in range(self._numbers):
            values = inputs[:, column]
            values = values[~values.isnan()].double()
            if len(values):
                low, middle, high = torch.quantile(
                    _thinned(values), torch.tensor([0.16, 0.5, 0.84], dtype=torch.float64)
                )
                # Half the distance between these quantiles is the deviation of a normal variable; a column that is nearly
                # constant falls back on the true deviation.
                spread = (high - low) / 2
                spread = spread if spread > 0 else values.std(correction=0)
                self.mean[column] = middle
                self.scale[column] = spread if spread > 0 else 1.0

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, size)`` to ``(batch, width)``."""
        numbers, hashed = inputs[:, : self._numbers], inputs[:, self._numbers :]
        missing = numbers.isnan()
        standard = ((numbers - self.mean) / self.scale).clamp(-self._clip, self._clip)
        joined = torch.cat(
            [standard.masked_fill(missing, 0.0), missing.to(inputs.dtype), hashed], dim=1
        )
        encoded: Tensor = self.layers(F.dropout(joined, self._dropout, self.training))
        return encoded


def _thinned(values: Tensor, at_most: int = 1_000_000) -> Tensor:
    """Evenly spaced values, since ``torch.quantile`` refuses very many."""
    return values[:: math.ceil(len(values) / at_most)]


def build(config: Config, *, name: str, columns: dict[str, Any]) -> TabularModality:
    """A modality of fields; ``columns`` is the manifest's description of the modality with its typed ``columns``."""
    return TabularModality(config, name, columns["columns"])
