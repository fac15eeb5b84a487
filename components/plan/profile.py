"""Measured rates: what a machine needs for each stage of one model shape, as JSON that can be kept and used elsewhere."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from components.config.run import RunConfig
from components.core.errors import UsageError
from components.core.files import write_json
from components.core.refs import digest_json
from components.core.strict import Strict, explain
from components.features.spec import ModalitySpec

FORMAT = 1


class Machine(Strict):
    """Where the rates were measured."""

    processor: str
    cores: int
    memory_bytes: int
    gpu: str | None
    """Name of the CUDA device that training used; None where it used the processor."""


class Line(Strict):
    """A fixed part and a slope: ``fixed + slope * x``."""

    fixed: float
    slope: float = Field(ge=0)

    def at(self, x: float) -> float:
        """The value for ``x``; never below zero, though a fixed part may be."""
        return max(0.0, self.fixed + self.slope * x)


class Stage(Strict):
    """What one stage took on samples of two sizes, by records of the data set."""

    seconds: Line
    """The fixed part includes what a first call in a process costs (imports); optimiser steps are not in it."""
    written_bytes: Line


class Disk(Strict):
    """The disk under the state folder."""

    write_bytes_per_second: float
    read_bytes_per_second: float
    random_read_seconds: float
    """One read of 4 KiB at a random place that is in no cache of this machine."""


class Profile(Strict):
    """All rates."""

    format: Literal[1] = 1
    machine: Machine
    versions: dict[str, str]
    """Of Python and the libraries that shape the rates."""
    shape: dict[str, Any]
    """What the rates belong to; see ``shape_of``."""
    sample_records: tuple[int, int] = Field(strict=False)
    """Sizes of the two samples."""
    seconds: float
    """How long measuring took."""
    load: float
    """Processes that wanted a core when measuring began; where there are more than cores, the times are too long."""
    stages: dict[str, Stage]
    steps: dict[str, Line]
    """Model name to seconds of an optimiser step, by rows in its batch."""
    step_rows: tuple[int, int] = Field(strict=False)
    """Rows of the batches that were measured."""
    encoder_seconds: dict[str, float]
    """Modality name to seconds for one record that has it, without reading, cache and writing."""
    record_bytes: float
    """Of the records' Parquet, by record."""
    media_bytes: float
    """Of all media, by record."""
    retrieval_cell_seconds: float
    """One inner product in the search figures of the report."""
    search_row_seconds: float
    """One row in one exact search of one modality's vectors."""
    hash_bytes_per_second: float
    disk: Disk

    @property
    def gpu(self) -> bool:
        """Whether training was measured on a GPU."""
        return self.machine.gpu is not None


def shape_of(config: RunConfig, specs: dict[str, ModalitySpec], classes: int) -> dict[str, Any]:
    """Everything in a run that shapes its rates; number of records, epochs and seeds do not."""
    training = config.training
    return {
        "modalities": {
            name: {"kind": s.kind, **s.choice, "shapes": [list(v.shape) for v in s.views]}
            for name, s in specs.items()
        },
        "model": config.model.model_dump(mode="json"),
        "losses": sorted(config.losses),
        "labeller": config.labeller.name if config.labeller else None,
        "classes": classes,
        "batch_size": training.batch_size,
        "precision": training.precision,
        "augment": training.augment,
    }


def save(profile: Profile, path: Path) -> None:
    """Write a profile aside and rename it into place."""
    write_json(path, profile.model_dump(mode="json"))


def load(path: Path, shape: dict[str, Any]) -> Profile:
    """Read a profile that was measured for this shape.

    Raises:
        UsageError: no such file, no profile, or one of another shape: what differs.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"no profile at {path} ({error}); make one with `concord plan CONFIG --save-profile FILE`"
        ) from error
    try:
        profile = Profile.model_validate_json(text)
    except ValidationError as error:
        lines = "\n".join(f"  - {line}" for line in explain(error, Profile)[:5])
        raise UsageError(
            f"{path} is no profile of this version:\n{lines}\nMeasure again with --save-profile."
        ) from error
    if digest_json(profile.shape) != digest_json(shape):
        different = "\n".join(f"  - {line}" for line in differences(profile.shape, shape))
        raise UsageError(
            f"profile {path} was measured for another shape of model, so its rates say nothing here:\n{different}\n"
            "Measure this one with --save-profile, or name the configuration that it belongs to."
        )
    return profile


def differences(theirs: dict[str, Any], ours: dict[str, Any], where: str = "") -> list[str]:
    """One line for each value that differs between two shapes, with its path."""
    lines = []
    for key in sorted(theirs.keys() | ours.keys()):
        a, b = theirs.get(key), ours.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{where}{key}.")
        elif digest_json(a) != digest_json(b):
            lines.append(f"{where}{key}: profile has {a!r}, the configuration {b!r}")
    return lines
