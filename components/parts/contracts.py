"""The protocols of kinds, encoders and targets, without torch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from components.core.errors import BadInput

if TYPE_CHECKING:  # a manifest is read before numpy is needed
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Raw = bytes | str | dict[str, Any]
"""One modality of one record: encoded media, text, or fields."""
RawType = Literal["bytes", "text", "fields"]
"""What a raw value is: the content of a media file, a text, or fields by column name."""


class Kind(Protocol):
    """The raw values of one modality: which are valid, and how they are decoded.

    A file in ``kinds/`` exports ``Config`` (limits, named ``max_…``, and options that shape what is
    decoded) and ``build(config, *, name, columns) -> Kind``, and declares

    - ``RAW``: a ``RawType``; media (``bytes``) may be named by path in the records,
    - ``VERSION``: raised when the same raw value decodes to another value; ``EARLIER``, if any, are
      the versions whose models are still answered for, as they got the same values or wrong ones,
    - ``LIBRARIES``: the distributions that decode,
    - ``ENCODERS``: the default encoders of a modality; ``suited(values)``, if any, gives
      ``(encoders, why)`` for a modality with such raw values among its training records, or None,
    - ``SUFFIXES`` and ``MEDIA_TYPES``: suffixes of its files, and the media type of each;
      ``UNREAD``, if any, are suffixes that it does not read, and what to do about each,
    - ``ACCEPTS``: a phrase for people that describes a value sent over HTTP,
    - ``guess(column) -> str | None``: how an importer may use a column of a table (see
      ``parts.guess``),
    - ``preview_type(preview) -> str``: the media type of a preview.
    """

    name: str
    """Name of the modality."""

    def content(self, raw: Raw) -> bytes:
        """Bytes that distinguish a raw value from every other one.

        Raises:
            BadInput: not a raw value of this kind, or larger than its limits.
        """
        ...

    def decode(self, raw: Raw, detail: int = 0) -> Any:  # noqa: ANN401
        """The value in the form that encoders of this kind read.

        Args:
            raw: the raw value.
            detail: the finest resolution that is needed, in the kind's own unit; 0 keeps all.

        Raises:
            BadInput: the value cannot be decoded or breaks a limit.
        """
        ...

    def preview(self, raw: Raw, value: Any) -> bytes | str:  # noqa: ANN401
        """A small form to show, made from a raw value and its decoded form.

        It may be called in a thread while the value is encoded, and must not change it.
        """
        ...

    def schema(self) -> dict[str, Any]:
        """JSON schema of a value over HTTP; media are base64 text."""
        ...

    def example(self) -> Any:  # noqa: ANN401
        """A valid value as sent over HTTP."""
        ...


@runtime_checkable
class Costly(Protocol):
    """A kind whose values may be much larger decoded than raw, as those of media are."""

    def cost(self, raw: Raw, detail: int = 0) -> int:
        """Upper bound of the bytes of memory that ``decode`` takes, found without decoding.

        Raises:
            BadInput: a value that ``decode`` would refuse as well.
        """
        ...


@runtime_checkable
class Noticing(Protocol):
    """A kind that reports usable but suspicious values, such as a silent sound."""

    def notices(self, value: Any) -> tuple[str, ...]:  # noqa: ANN401
        """What is odd about a decoded value, each in a word that follows "is"."""
        ...


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What checking raw values of one modality found, by the position of the value.

    Attributes:
        faults: why a value cannot be used.
        notices: what is odd about a value that can be used.
    """

    faults: dict[int, BadInput]
    notices: dict[int, tuple[str, ...]]


class Encoder(Protocol):
    """Maps decoded values of one kind to the inputs of the network: features, or decoded tensors.

    A file in ``encoders/`` exports ``Config``, ``build(config, *, kind) -> Encoder`` and declares
    ``KIND`` (the raw type or the name of the kind it reads, or several of them), ``LIBRARIES`` and
    ``VERSION``. It imports torch only in the functions that compute with it.

    An encoder may have four more attributes. ``sparse = True`` means that ``encode`` returns a
    ``scipy.sparse.csr_array`` of shape ``(len(values), shape[0])``, sorted and without duplicates;
    the network does not read such a view, and ``network`` is not needed. ``at_once`` is the most
    values that ``encode`` should get in a call, where it is so slow that progress would stand.
    ``reads_names = True`` means that ``encode`` also takes texts, into the space of its pictures.
    ``pace`` is the seconds of one core that it takes for each second of a sound, where that is
    much: the service does not let others wait for a long one (`components.parts.effort`).
    """

    shape: tuple[int, ...]
    """Shape of one record's input."""
    dtype: "np.dtype[Any]"
    detail: int
    """The finest resolution that it needs, in the kind's own unit; 0 for all."""

    def digest(self) -> str:
        """SHA-256 of everything but the decoded value that determines an input.

        That is its options, its version and any frozen weights.
        """
        ...

    def encode(self, values: Sequence[Any]) -> "NDArray[Any]":
        """Inputs ``(len(values), *shape)``."""
        ...

    def network(self) -> Any:  # noqa: ANN401 - a `components.parts.network.ViewNetwork`, which needs torch
        """A new trainable network that reads these inputs."""
        ...


@runtime_checkable
class Carried(Protocol):
    """A frozen encoder that a model package carries, so that it answers without its library.

    Its file also declares ``CARRIED_LIBRARIES``: the distributions that ``encode`` then needs.
    """

    def carry(self, folder: "Path") -> None:
        """Write what ``encode`` and ``digest`` read into an empty folder."""
        ...

    def use(self, folder: "Path") -> None:
        """Read what ``carry`` wrote from now on."""
        ...


@runtime_checkable
class Opened(Protocol):
    """An encoder that reads something large before its first value."""

    def open(self) -> None:
        """Read it now; ``encode`` does so by itself otherwise. May be called from a thread."""
        ...


def reads_names(encoder: Encoder, raw: str) -> bool:
    """Whether an encoder of raw values of this type encodes the name of a class too."""
    vectors = not is_sparse(encoder) and encoder.dtype.kind == "f"  # not tokens for a network
    return bool(getattr(encoder, "reads_names", False)) or (raw == "text" and vectors)


def is_sparse(encoder: Encoder) -> bool:
    """Whether an encoder makes rows of a sparse array."""
    return bool(getattr(encoder, "sparse", False))


class Target(Protocol):
    """What is predicted: how labels are coded, decided, calibrated and measured.

    The codes of ``n`` records have any shape ``(n, …)``. Labels are coded once, when records enter
    the features; tables for people show names again.

    A file in ``targets/`` exports ``Config`` and ``build(config, *, classes) -> Target`` and
    declares

    - ``METRICS``: the names of its figures,
    - ``CELLS``: what a cell of the label column holds: ``one`` class, a ``set`` of them, or
      ``none`` where there is no such column.
    """

    classes: list[str]
    activation: Literal["softmax", "sigmoid"] | None
    """How logits become probabilities; None where nothing is predicted."""

    @property
    def thresholds(self) -> list[float] | None:
        """Least probability at which each class is given; None where they decide nothing."""
        ...

    @property
    def primary(self) -> str | None:
        """The figure that decides between models; None where nothing is predicted."""
        ...

    @property
    def width(self) -> int:
        """Number of logits of one record."""
        ...

    def encode(self, labels: Sequence[Any]) -> "NDArray[Any]":
        """Code labels as the records hold them, ``(n, …)``; None means no label."""
        ...

    def decode(self, labels: "NDArray[Any]") -> list[Any]:
        """Turn coded labels ``(n, …)`` into names for people; None without a label."""
        ...

    def labelled(self, labels: "NDArray[Any]") -> "NDArray[np.bool_]":
        """Which records ``(n,)`` have a label, from coded labels ``(n, …)``."""
        ...

    def unlabelled(self, n: int) -> "NDArray[Any]":
        """Coded labels ``(n, …)`` of records without a label."""
        ...

    def soft(self, labels: Any, smoothing: float) -> Any:  # noqa: ANN401 - tensors
        """Training targets ``(batch, width)`` of coded labels ``(batch, …)``, both tensors."""
        ...

    def cross_entropy(self, logits: Any, soft: Any) -> Any:  # noqa: ANN401 - tensors
        """``(batch,)`` of logits and training targets ``(batch, width)``, all tensors."""
        ...

    def probabilities(
        self, logits: "NDArray[np.floating]", calibration: float = 1.0
    ) -> "NDArray[np.float64]":
        """Calibrated probabilities ``(n, width)`` of logits ``(n, width)``."""
        ...

    def calibrate(self, logits: "NDArray[np.floating]", labels: "NDArray[Any]") -> float:
        """Fit the calibration to logits ``(n, width)`` of labelled records; 1 without any."""
        ...

    def fit_thresholds(
        self, probabilities: "NDArray[np.floating]", labels: "NDArray[Any]"
    ) -> list[float] | None:
        """Fit thresholds to probabilities ``(n, width)`` of records held out of all fits."""
        ...

    def with_thresholds(self, thresholds: Sequence[float] | None) -> "Target":
        """The same target with these thresholds; None: its defaults."""
        ...

    def decide(self, scores: "NDArray[np.floating]") -> "NDArray[Any]":
        """Coded predictions ``(n, …)`` from probabilities ``(n, width)``.

        A record whose scores are NaN gets no label.
        """
        ...

    def answers(self, probabilities: "NDArray[np.floating]") -> "NDArray[Any]":
        """What is kept of probabilities ``(n, width)`` to measure and compare models, ``(n, …)``.

        The figures of a single class need the predicted one alone, those of a ranking every
        probability.
        """
        ...

    def baseline(self, labels: "NDArray[Any]", n: int) -> "NDArray[Any]":
        """Answers ``(n, …)`` for ``n`` records, made from the labels alone."""
        ...

    def counts(self, labels: "NDArray[Any]") -> "NDArray[np.int64]":
        """Number of records of each class, ``(width,)``."""
        ...

    def shares(self, labels: "NDArray[Any]") -> "NDArray[np.float64]":
        """Share of each class among the labelled records, ``(width,)``."""
        ...

    def metrics(self, labels: "NDArray[Any]", answers: "NDArray[Any]") -> dict[str, float]:
        """Figures of answers ``(n, …)`` on labelled records; NaN without any."""
        ...

    def cells(
        self, probabilities: "NDArray[np.floating]", labels: "NDArray[Any]"
    ) -> "tuple[NDArray[np.floating], NDArray[Any]]":
        """Cases of which exactly one choice is right, to measure calibration.

        Probabilities ``(cases, choices)``, and the number of the right choice ``(cases,)``.
        """
        ...

    def columns(self) -> list[tuple[str, str]]:
        """Names and Arrow types of the columns of an answer table."""
        ...

    def row(self, probabilities: "NDArray[np.floating]") -> dict[str, Any]:
        """One row of an answer table, from the probabilities ``(width,)`` of a record."""
        ...


def cost(kind: Kind, raw: Raw, detail: int = 0) -> int:
    """Bytes of memory that decoding a value takes: its kind's estimate, else its own size."""
    if isinstance(kind, Costly):
        return kind.cost(raw, detail)
    return len(raw) if isinstance(raw, bytes | str) else 0


def decoded(
    kind: Kind,
    raws: Iterable[Raw],
    detail: int = 0,
    map_: Callable[..., Iterable[Any]] = map,
) -> list[Any]:
    """Decode values; a ``BadInput`` with the reason replaces each one that cannot be used.

    Args:
        kind: decodes the values.
        raws: the raw values.
        detail: the finest resolution that is needed, in the kind's own unit.
        map_: ``map``, or the ``map`` of a thread pool.
    """

    def one(raw: Raw) -> Any:  # noqa: ANN401
        try:
            return kind.decode(raw, detail)
        except BadInput as error:
            return error

    return list(map_(one, raws))
