"""What can be set of a synthetic bed, checked."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainValidator, TypeAdapter, ValidationError

from components.core.errors import UsageError, unknown_name
from components.core.strict import explain

BEDS = ("pair", "xor")
_Share = Annotated[float, Field(ge=0, le=1)]
_NOISIEST = 1000
_ONLY = {
    "pair": ("classes", "shared"),
    "xor": ("variant",),
}
"""Knobs that only one bed has."""


def _noise(value: object) -> object:
    """Accept one deviation, or several."""
    each = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(one, int | float) and 0 < one <= _NOISIEST for one in each):
        raise ValueError(f"got {value!r}, wanted numbers above 0 and up to {_NOISIEST}")
    return value


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """Settings of a bed; every draw depends only on them.

    Attributes:
        seed: of the maps from codes to vectors, and of all records.
        records: number of records.
        modalities: number of modalities; they are called a, b, c …
        dim: numbers of each modality's vector.
        strength: length of what tells the classes (`pair`) or the bits (`xor`) apart.
        noise: standard deviation of the noise of each number: one for all modalities, or one each.
        imbalance: how many times the most common class is as frequent as the rarest; the others lie
            between on a geometric scale.
        wrong: share of training records whose modalities beyond the first are another record's;
            records of the other splits are all right.
        missing: chance that a record lacks a modality; one is always kept.
        unlabelled: share of training records whose label is empty.
        classes: `pair` alone.
        shared: `pair` alone: share of the variance within a class that the modalities share.
        variant: `xor` alone: how the label comes from the bits, one for each modality. ``xor``: it
            is their exclusive-or; ``redundant``: all have the same bit; ``unique``: it is the bit
            of the first, and the other modalities tell nothing.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    records: Annotated[int, Field(ge=20, le=1_000_000)] = 2000
    modalities: Annotated[int, Field(ge=1, le=8)] = 2
    dim: Annotated[int, Field(ge=2, le=1024)] = 32
    strength: Annotated[float, Field(ge=0, le=1000)] = 2.0
    noise: Annotated[float | tuple[float, ...], PlainValidator(_noise)] = 1.0
    imbalance: Annotated[float, Field(ge=1, le=1000)] = 1.0
    wrong: _Share = 0.0
    missing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    unlabelled: _Share = 0.0
    classes: Annotated[int, Field(ge=2, le=100)] = 4
    shared: _Share = 0.5
    variant: Literal["xor", "redundant", "unique"] = "xor"

    @property
    def names(self) -> list[str]:
        """The modalities, sorted."""
        return list("abcdefgh"[: self.modalities])

    @property
    def deviations(self) -> tuple[float, ...]:
        """The noise of each modality."""
        each = self.noise
        return each if isinstance(each, tuple) else (each,) * self.modalities

    def of(self, bed: str) -> dict[str, Any]:
        """Those that a bed has, by name."""
        return {name: getattr(self, name) for name in _known(bed)}

    def frequencies(self, classes: int) -> NDArray[np.float64]:
        """How common each of so many classes is, the first one most; sums to 1.

        >>> Knobs(imbalance=4).frequencies(3).round(3).tolist()
        [0.571, 0.286, 0.143]
        """
        raw = self.imbalance ** -np.linspace(0, 1, classes)
        return np.asarray(raw / raw.sum())


def knobs_of(bed: str, **given: Any) -> Knobs:  # noqa: ANN401
    """The knobs of a bed.

    Args:
        bed: `pair` or `xor`.
        given: what differs from the defaults.

    Raises:
        UsageError: an unknown bed, a knob that it lacks, or a value out of range; all at once.
    """
    if bed not in BEDS:
        raise UsageError(unknown_name("bed", bed, BEDS))
    known = _known(bed)
    found = [unknown_name(f"knob of {bed}", knob, known) for knob in given if knob not in known]
    try:
        knobs = TypeAdapter(Knobs).validate_python({k: v for k, v in given.items() if k in known})
    except ValidationError as error:
        raise UsageError("\n".join([*found, *explain(error, Knobs, bed)])) from error
    if isinstance(knobs.noise, tuple) and len(knobs.noise) != knobs.modalities:
        found.append(
            f"noise: got {len(knobs.noise)} deviations for {knobs.modalities} modalities; "
            "wanted one for all, or one each"
        )
    if found:
        raise UsageError("\n".join(found))
    return knobs


def _known(bed: str) -> list[str]:
    others = {knob for other, knobs in _ONLY.items() if other != bed for knob in knobs}
    return [field.name for field in fields(Knobs) if field.name not in others]
