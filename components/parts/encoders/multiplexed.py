"""Fields as numbers and places in one shared table, which the network learns.

``e(field, value) = E[h_1(field, value)] (+) E[h_2(field, value)]``: all fields share the rows of
one table, and two values are taken for one only where both hashes collide. A missing value has a
place of its own; of a set, the places of its members are added up.

Source: unified embedding with feature multiplexing, Coleman et al. 2023 (arXiv:2305.12102); two
hashes for each value, Tito Svenstrup et al. 2017, Hash embeddings (arXiv:1709.03933).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.errors import UsageError
from components.core.refs import digest_json
from components.parts.kinds.tabular import TabularKind

METHOD = {
    "id": "A12",
    "name": "structured fields: multiplexed table (unified embedding)",
    "for": "many categories in few parameters",
    "needs": "a modality of fields with categories or sets",
    "use": "modalities: {facts: {encoders: multiplexed}}",
}
KIND = "tabular"
VERSION = 1
LIBRARIES: tuple[str, ...] = ()
_MISSING = "\x00"
"""No field holds it: texts from tables and JSON have no such character alone."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The table, and how fields are read.

    Attributes:
        rows: of the table that all fields share.
        dim: numbers in a row; a value has two rows.
        members: of a set, at most so many in the order of the set are read.
        width: size of the network's output.
        dropout: share of its inputs that are hidden from the network in each training step.
        clip: the scores of numbers, quantiles of a normal variable, are cut off here.
    """

    rows: Annotated[int, Field(ge=2, le=2**20)] = 512
    dim: Annotated[int, Field(ge=1, le=1024)] = 8
    members: Annotated[int, Field(ge=1, le=256)] = 8
    width: Annotated[int, Field(ge=1, le=65_536)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip: Annotated[float, Field(gt=0, le=1_000_000)] = 4.0


class MultiplexedEncoder:
    """Fields as ``float32``: numbers (NaN where missing), then two places of each member.

    A category column has one member, a set column ``members`` of them; a place that is not used
    is -1.
    """

    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0

    def __init__(self, config: Config, types: dict[str, str]) -> None:
        self._config, self._types = config, types
        self._numbers = [c for c, kind in types.items() if kind == "number"]
        self._slots = {
            c: config.members if kind == "set" else 1
            for c, kind in types.items()
            if kind != "number"
        }
        self.shape: tuple[int, ...] = (len(self._numbers) + 2 * sum(self._slots.values()),)

    def digest(self) -> str:
        """SHA-256 of columns, their types and the places."""
        shaping = {"rows": self._config.rows, "members": self._config.members}
        return digest_json(
            {"encoder": "multiplexed", "version": VERSION, "types": self._types, **shaping}
        )

    def encode(self, values: Sequence[dict[str, Any]]) -> NDArray[np.float32]:
        """Vectors ``(n, numbers + 2 * members)``."""
        out = np.full((len(values), *self.shape), -1, np.float32)
        out[:, : len(self._numbers)] = np.nan
        for row, fields in enumerate(values):
            for at, column in enumerate(self._numbers):
                if (value := fields[column]) is not None:
                    out[row, at] = value
            at = len(self._numbers)
            for column, slots in self._slots.items():
                for slot, member in enumerate(_members(fields[column])[:slots]):
                    place = at + 2 * slot
                    out[row, place : place + 2] = places(column, member, self._config.rows)
                at += 2 * slots
        return out

    def network(self) -> Any:  # noqa: ANN401
        """A network with the table and one hidden layer."""
        from components.parts.encoders._multiplexed import MultiplexedNetwork

        return MultiplexedNetwork(self._config, len(self._numbers), list(self._slots.values()))


def places(field: str, value: str, rows: int) -> tuple[int, int]:
    """Two rows of the table, the same on every machine and in every process."""
    digest = blake2b(f"{field}\x1f{value}".encode(), digest_size=16).digest()
    return (
        int.from_bytes(digest[:8], "little") % rows,
        int.from_bytes(digest[8:], "little") % rows,
    )


def _members(value: Any) -> list[str]:  # noqa: ANN401
    if value is None:
        return [_MISSING]
    return value if isinstance(value, list) else [value]


def build(config: Config, *, kind: TabularKind) -> MultiplexedEncoder:
    """An encoder of the columns of a modality of fields.

    Raises:
        UsageError: all columns are numbers.
    """
    if all(type_ == "number" for type_ in kind.types.values()):
        raise UsageError(
            f"encoders: `multiplexed` is a table of categories, and {kind.name} has numbers alone; "
            "name `fields` instead"
        )
    return MultiplexedEncoder(config, kind.types)
