"""Feedback on an answer or on a record, and the form in which it is stored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from components.core.errors import BadInput


class NotKept(BadInput):
    """An answer that the log does not have."""


@dataclass(frozen=True, kw_only=True)
class About:
    """The model that feedback is about."""

    model: str
    version: int | None
    package_digest: str
    classes: Collection[str]


@dataclass(frozen=True, kw_only=True)
class Said:
    """Feedback on one answer or one record; exactly one of them is named."""

    answer: str | None = None
    record: str | None = None
    labels: Sequence[str] | None = None
    multi: bool = False
    """Whether ``labels`` is a set of classes, not one class."""
    relevant: Mapping[str, bool] | None = None
    """Id of a hit to whether it is one."""
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Given:
    """Feedback as it is kept."""

    id: str
    time: float
    """Seconds since 1970 of its last change."""
    token: str | None
    answer: str | None
    record: str | None
    labels: list[str] | None
    multi: bool
    unknown: list[str]
    """Those of ``labels`` that the model does not know."""
    relevant: dict[str, bool]
    note: str | None
    model: str
    version: int | None
    package_digest: str
    payload: str | None
