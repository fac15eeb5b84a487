"""Raw values, and what turns them into features: the protocols of kinds and encoders, without torch."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from components.core.errors import BadInput

if TYPE_CHECKING:  # a manifest is read before numpy is needed
    import numpy as np
    from numpy.typing import NDArray

Raw = bytes | str | dict[str, Any]
"""One modality of one record: encoded media, text, or fields."""
RawType = Literal["bytes", "text", "fields"]
"""What a raw value is: the content of a media file, a text, or fields by column name."""


class Kind(Protocol):
    """The raw values of one modality: what they may be, and how they are decoded.

    A file in ``kinds/`` exports ``Config`` (the limits), ``build(config, *, name, columns) -> Kind`` and declares

    - ``RAW``: a ``RawType``; media (``bytes``) may be named by path in the records,
    - ``VERSION``: raised when the same raw value decodes to another value,
    - ``LIBRARIES``: the distributions that decode,
    - ``ENCODERS``: the encoders of a modality for which none is chosen,
    - ``SUFFIXES`` and ``MEDIA_TYPES``: of its files; a media type for every suffix,
    - ``ACCEPTS``: one phrase for people: what a value over HTTP is,
    - ``guess(column) -> str | None``: how an importer may use a column of a table (see ``parts.guess``),
    - ``preview_type(preview) -> str``: the media type of a preview.
    """

    name: str
    """Of the modality."""

    def content(self, raw: Raw) -> bytes:
        """Bytes that tell a raw value from every other one.

        Raises:
            BadInput: not a raw value of this kind, or larger than its limits.
        """
        ...

    def decode(self, raw: Raw, detail: int = 0) -> Any:  # noqa: ANN401
        """The value in the form that encoders of this kind read.

        Args:
            raw: the raw value.
            detail: the finest resolution that anyone reads, in the kind's own unit; 0 keeps all.

        Raises:
            BadInput: the value cannot be decoded or breaks a limit.
        """
        ...

    def preview(self, raw: Raw, value: Any) -> bytes | str:  # noqa: ANN401
        """A small form to show, of a raw value and what it decodes to."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON schema of a value over HTTP; media are base64 text."""
        ...

    def example(self) -> Any:  # noqa: ANN401
        """A value over HTTP that can be answered."""
        ...


class Encoder(Protocol):
    """Maps decoded values of one kind to the inputs of the network: features, or decoded tensors.

    A file in ``encoders/`` exports ``Config``, ``build(config, *, kind) -> Encoder`` and declares ``KIND`` (the raw type or
    the name of the kind it reads), ``LIBRARIES`` and ``VERSION``. It imports torch only where it computes with it.
    """

    shape: tuple[int, ...]
    """Of the input of one record."""
    dtype: "np.dtype[Any]"
    detail: int
    """The finest resolution that it reads, in the unit of the kind; 0 where it reads all."""

    def digest(self) -> str:
        """SHA-256 of all that shapes an input beside the decoded value: options, version, frozen weights."""
        ...

    def encode(self, values: Sequence[Any]) -> "NDArray[Any]":
        """Inputs ``(len(values), *shape)``."""
        ...

    def network(self) -> Any:  # noqa: ANN401 - a `components.parts.network.ViewNetwork`, which needs torch
        """A new trainable network that reads these inputs."""
        ...


class Target(Protocol):
    """What is predicted: how labels are coded, decided, calibrated and measured. ``n`` records, codes of any shape ``(n, …)``.

    A file in ``targets/`` exports ``Config`` and ``build(config, *, classes) -> Target`` and declares ``METRICS``, the names of
    its figures. Labels are coded once, when records enter the features; names return in tables for people.
    """

    classes: list[str]

    @property
    def width(self) -> int:
        """Logits of one record."""
        ...

    def encode(self, labels: Sequence[Any]) -> "NDArray[Any]":
        """Labels as the records hold them, coded ``(n, …)``; None is no label."""
        ...

    def decode(self, labels: "NDArray[Any]") -> list[Any]:
        """Coded labels as people read them; None without a label."""
        ...

    def labelled(self, labels: "NDArray[Any]") -> "NDArray[np.bool_]":
        """Which records ``(n,)`` have a label."""
        ...

    def unlabelled(self, n: int) -> "NDArray[Any]":
        """Coded labels of ``n`` records without a label."""
        ...

    def soft(self, labels: Any, smoothing: float) -> Any:  # noqa: ANN401 - tensors
        """Training targets ``(batch, width)`` of coded labels, both tensors."""
        ...

    def probabilities(
        self, logits: "NDArray[np.floating]", calibration: float = 1.0
    ) -> "NDArray[np.float64]":
        """Calibrated probabilities ``(n, width)``."""
        ...

    def calibrate(self, logits: "NDArray[np.floating]", labels: "NDArray[Any]") -> float:
        """The calibration that fits labelled records; 1 where there are none."""
        ...

    def decide(self, scores: "NDArray[np.floating]") -> "NDArray[Any]":
        """Coded predictions by logits or probabilities ``(n, width)``; no label where they are NaN."""
        ...

    def baseline(self, labels: "NDArray[Any]", n: int) -> "NDArray[Any]":
        """Coded predictions ``(n, …)`` of who knows only the labels."""
        ...

    def counts(self, labels: "NDArray[Any]") -> "NDArray[np.int64]":
        """How many records ``(width,)`` have each class."""
        ...

    def shares(self, labels: "NDArray[Any]") -> "NDArray[np.float64]":
        """Share ``(width,)`` of each class among the labelled records."""
        ...

    def metrics(self, labels: "NDArray[Any]", predicted: "NDArray[Any]") -> dict[str, float]:
        """Figures of predictions on labelled records; NaN without any."""
        ...

    def columns(self) -> list[tuple[str, str]]:
        """Names and Arrow types of the columns of an answer table."""
        ...

    def row(self, probabilities: "NDArray[np.floating]") -> dict[str, Any]:
        """The columns of one answer, of its probabilities ``(width,)``."""
        ...


def decoded(
    kind: Kind,
    raws: Iterable[Raw],
    detail: int = 0,
    map_: Callable[..., Iterable[Any]] = map,
) -> list[Any]:
    """Decode values; in the place of one that cannot be used stands the ``BadInput`` that says why.

    Args:
        kind: decodes.
        raws: the raw values.
        detail: the finest resolution that is read.
        map_: ``map``, or that of a pool of threads.
    """

    def one(raw: Raw) -> Any:  # noqa: ANN401
        try:
            return kind.decode(raw, detail)
        except BadInput as error:
            return error

    return list(map_(one, raws))
