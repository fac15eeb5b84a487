"""Measured rates: what the stages of a run need on one machine, as JSON for other plans."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from components.core.errors import UsageError
from components.core.files import write_json
from components.core.refs import digest_json
from components.core.strict import Strict, explain

_MOST_NAMED = 8
"""Differences between two keys that a message names."""


class Machine(Strict):
    """Where the rates were measured."""

    processor: str
    cores: int
    memory_bytes: int
    gpu: str | None
    """Name of the CUDA device that training used; None where it used the processor."""


class Line(Strict):
    """``fixed + slope * x``, with neither part below zero."""

    fixed: float = Field(ge=0)
    slope: float = Field(ge=0)

    @classmethod
    def through(cls, small: tuple[float, float], large: tuple[float, float]) -> "Line":
        """The line through two measured points ``(x, y)``.

        It always meets the larger one. Where noise puts the points on a falling line, or on one
        that begins below zero, it is the nearest line that does neither.
        """
        (x0, y0), (x1, y1) = small, large
        slope = (y1 - y0) / (x1 - x0) if x1 > x0 else 0.0
        slope = min(max(0.0, slope), y1 / x1)
        return cls(fixed=max(0.0, y1 - slope * x1), slope=slope)

    def at(self, x: float) -> float:
        """The value for ``x``."""
        return self.fixed + self.slope * x


class Fit(Strict):
    """One model that a training stage fits."""

    epochs: int
    share: float
    """Records of an epoch, as a share of those of the data set."""
    since: int = Field(default=0, ge=0)
    """Records of the data set from which on it is fitted; 0 where the sample fitted it."""


class StageRates(Strict):
    """What one stage took on two samples, by records of the data set."""

    name: str
    inputs: tuple[str, ...] = Field(strict=False)
    """Earlier stages (or ``data``) whose outputs it reads."""
    training: bool
    divided: bool
    """Whether pods may each do a part of its records."""
    seconds: Line
    """Without optimiser steps; the fixed part includes a process's first call (imports)."""
    written_bytes: Line
    fits: tuple[Fit, ...] = Field(strict=False)
    step_seconds: Line
    """One optimiser step, by records in its batch."""
    checkpoint_bytes: int
    """One checkpoint of every model that it fits."""


class Profile(Strict):
    """All rates of one run."""

    machine: Machine
    libraries: dict[str, str]
    """Python and the libraries that shape the rates, with their versions."""
    samples: tuple[int, int] = Field(strict=False)
    """Records of the two samples."""
    seconds: float
    """How long measuring took."""
    load: float
    """Processes that wanted a core when measuring began; more than cores mean times too long."""
    stages: tuple[StageRates, ...] = Field(strict=False)
    """In the order in which they run."""
    record_bytes: float
    """Of the records' Parquet, by record."""
    media_bytes: float
    """Of the media that records name by path, by record."""
    vector_bytes: float
    """Of all vectors of a record in a package's index."""
    search_seconds: float
    """Of one row in one exact search."""
    output_byte_seconds: float
    """To write and hash one byte."""


class Kept(Strict):
    """A profile in a file."""

    key: dict[str, Any]
    """Everything that shapes the rates besides machine and libraries, which may be others."""
    profile: Profile


def save(path: Path, key: dict[str, Any], profile: Profile) -> None:
    """Write a profile aside and rename it into place."""
    write_json(path, Kept(key=key, profile=profile).model_dump(mode="json"))


def load(path: Path, key: dict[str, Any]) -> Profile:
    """Read the profile of a run.

    Args:
        path: the file.
        key: that of the run; the file must have the same.

    Raises:
        UsageError: no such file, not a profile, or the profile of another run.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"no profile at {path} ({error}); "
            "make one with `concord plan CONFIG --save-profile FILE`"
        ) from error
    try:
        kept = Kept.model_validate_json(text)
    except ValidationError as error:
        lines = "\n".join(f"  - {line}" for line in explain(error, Kept)[:_MOST_NAMED])
        raise UsageError(
            f"{path} is not a profile of this version:\n{lines}\nMeasure again with --save-profile."
        ) from error
    if different := differences(kept.key, key):
        lines = "\n".join(f"  - {line}" for line in different[:_MOST_NAMED])
        raise UsageError(
            f"profile {path} was measured for another run, whose rates may differ:\n{lines}\n"
            "Measure this run with --save-profile, or name the configuration of the profile."
        )
    return kept.profile


def differences(theirs: dict[str, Any], ours: dict[str, Any], where: str = "") -> list[str]:
    """One line for each value that differs between two keys, with its path."""
    lines = []
    for key in sorted(theirs.keys() | ours.keys()):
        a, b = theirs.get(key), ours.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{where}{key}.")
        elif digest_json(a) != digest_json(b):
            lines.append(f"{where}{key}: profile has {a!r}, this run {b!r}")
    return lines
