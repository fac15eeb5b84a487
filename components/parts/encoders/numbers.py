"""Fields of numbers as one vector, as they are: vectors that were made elsewhere.

A missing number is 0, as vectors of embeddings lie about 0; a record that lacks the whole modality
has no vector at all. `fields` marks single missing numbers instead, and reads categories too.

Source: frozen features under a light classifier, Donahue et al. 2014 (arXiv:1310.1531).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.errors import UsageError
from components.core.refs import digest_json
from components.parts.kinds.tabular import TabularKind

KIND = "tabular"
VERSION = 1
LIBRARIES: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    """How numbers are read.

    Attributes:
        dropout: share of a vector's numbers that are hidden from the network in each training step.
    """

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class NumbersEncoder:
    """Vectors ``float32 (columns,)`` in the order of the columns' names."""

    dtype: np.dtype[Any] = np.dtype(np.float32)
    detail = 0

    def __init__(self, config: Config, columns: Sequence[str]) -> None:
        self._config, self._columns = config, list(columns)
        self.shape: tuple[int, ...] = (len(self._columns),)

    def digest(self) -> str:
        """SHA-256 of the columns."""
        return digest_json({"encoder": "numbers", "version": VERSION, "columns": self._columns})

    def encode(self, values: Sequence[dict[str, Any]]) -> NDArray[np.float32]:
        """Vectors ``(n, columns)``."""
        rows = [[value[column] for column in self._columns] for value in values]
        found = np.array(rows, np.float64).reshape(len(values), *self.shape)
        return np.nan_to_num(found, nan=0.0).astype(np.float32)

    def network(self) -> Any:  # noqa: ANN401
        """A layer that centres the vectors."""
        from components.parts.network import CentredNetwork

        return CentredNetwork(self.shape[0], self._config.dropout)


def build(config: Config, *, kind: TabularKind) -> NumbersEncoder:
    """An encoder of the columns of a modality, which are all numbers.

    Raises:
        UsageError: a column is something else.
    """
    others = [f"{column} ({type_})" for column, type_ in kind.types.items() if type_ != "number"]
    if others:
        raise UsageError(
            f"encoders: `numbers` reads columns of numbers, and {', '.join(others[:3])} "
            "is none; name `fields` instead, or give these columns a modality of their own"
        )
    return NumbersEncoder(config, list(kind.types))
