"""pgvector's types, as SQLAlchemy writes them and as the server sends them."""

import struct
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray


class Vector(sa.types.UserDefinedType[Any]):
    """pgvector's type of float32 vectors."""

    cache_ok = True

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def get_col_spec(self, **_: object) -> str:
        return f"vector({self.dim})"

    def bind_expression(self, bindvalue: Any) -> Any:  # noqa: ANN401
        return sa.cast(bindvalue, self)

    def bind_processor(self, dialect: object) -> Any:  # noqa: ANN401
        del dialect
        return lambda vector: "[" + ",".join(map(repr, vector.tolist())) + "]"


class Half(sa.types.UserDefinedType[Any]):
    """pgvector's type of half-precision vectors."""

    cache_ok = True

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def get_col_spec(self, **_: object) -> str:
        return f"halfvec({self.dim})"


def read(sent: bytes) -> NDArray[np.float32]:
    """A vector in pgvector's binary form: two lengths of 16 bits, then big-endian numbers."""
    (dim,) = struct.unpack_from(">H", sent)
    return np.frombuffer(sent, ">f4", dim, 4).astype(np.float32)
