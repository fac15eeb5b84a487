"""Estimates, before a value is decoded, how long encoders will compute for it."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from components.parts.contracts import Encoder, Kind, Raw


@runtime_checkable
class Lasting(Protocol):
    """A kind whose values last, as sounds do, so that one may take far longer than another."""

    def seconds(self, raw: Raw) -> float:
        """Duration of a value, found without decoding.

        Raises:
            BadInput: a value that ``decode`` would refuse as well.
        """
        ...


def effort(kind: Kind, encoders: Iterable[Encoder], raw: Raw) -> float:
    """Seconds of one core that encoders take for a value, by those that declare ``pace``."""
    pace = sum(float(getattr(encoder, "pace", 0.0)) for encoder in encoders)
    return pace * kind.seconds(raw) if pace and isinstance(kind, Lasting) else 0.0
