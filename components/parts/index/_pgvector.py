"""pgvector's types, as SQLAlchemy writes them and as they are sent in binary form."""

import struct
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

_HEAD = ">HH"
"""Number of numbers, and 16 bits that are 0."""


class Sent(bytes):
    """A vector in pgvector's binary form."""


class _Dumper(psycopg.adapt.Dumper):
    """Sends it as it is; the server knows the type from the statement."""

    format = psycopg.pq.Format.BINARY

    def dump(self, obj: Any) -> bytes:  # noqa: ANN401
        return bytes(obj)


def register(connection: "psycopg.Connection[Any]") -> None:
    """Let a connection send vectors."""
    connection.adapters.register_dumper(Sent, _Dumper)


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
        return _sent


class Half(sa.types.UserDefinedType[Any]):
    """pgvector's type of half-precision vectors."""

    cache_ok = True

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def get_col_spec(self, **_: object) -> str:
        return f"halfvec({self.dim})"


def read(sent: bytes) -> NDArray[np.float32]:
    """A vector from pgvector's binary form: its head, then big-endian numbers."""
    dim, _ = struct.unpack_from(_HEAD, sent)
    return np.frombuffer(sent, ">f4", dim, struct.calcsize(_HEAD)).astype(np.float32)


def _sent(vector: NDArray[np.float32]) -> Sent:
    return Sent(struct.pack(_HEAD, len(vector), 0) + vector.astype(">f4").tobytes())
