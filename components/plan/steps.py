"""How long an optimiser step takes: the training loop itself, on a few batches of the sample, for every model of a run."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.config.run import Part, RunConfig
from components.features.spec import ModalitySpec
from components.features.store import Features
from components.model import network as models
from components.model.network import Model
from components.plan.profile import Line
from components.training.data import TrainingData, training_data
from components.training.loop import fit, placed
from components.training.objective import built

Now = Callable[[], float]
"""Tells the time in seconds: the wall clock, or that of the processor."""
FULL, CONCAT = "full", "concat"
_FIRST = 2
"""Steps that warm up and are not counted."""
_MOST_STEPS = 30
_SECONDS = 1.0
"""About how long one batch size of one model is measured."""


def model_names(config: RunConfig, names: tuple[str, ...]) -> list[str]:
    """All models of a run whose step differs: the whole one, one per modality, and plain concatenation where it is another."""
    if len(names) == 1:
        return [FULL]
    alone = [f"only-{name}" for name in names]
    return [FULL, *alone, *([CONCAT] if config.model.fusion.name != "concat" else [])]


def build(
    config: RunConfig,
    name: str,
    specs: Mapping[str, ModalitySpec],
    classes: tuple[str, ...],
    base: Path | None,
) -> Model:
    """One of these models with fresh weights and the classes of the whole data set."""
    shape = (
        config.model.model_copy(update={"fusion": Part(name="concat")})
        if name == CONCAT
        else config.model
    )
    alone = name.removeprefix("only-")
    used = {alone: specs[alone]} if name.startswith("only-") else specs
    return models.build(shape, classes=classes, specs=used, base=base)


def batch_rows(batch_size: int) -> tuple[int, int]:
    """The two batch sizes that are measured: the configuration's and a quarter of it."""
    return max(2, batch_size // 4), batch_size


def measure(
    config: RunConfig,
    name: str,
    features: Features,
    classes: tuple[str, ...],
    base: Path | None,
    now: Now = time.perf_counter,
) -> Line:
    """Seconds of a step by rows in its batch: a fixed part and a slope, from two batch sizes; ``now`` tells the time."""
    small, large = batch_rows(config.training.batch_size)
    times = {
        rows: _step(config, name, features, classes, base, rows, now) for rows in (large, small)
    }
    # Neither part is below zero: where small batches are the better deal, time is taken as proportional to rows.
    slope = min(
        max(0.0, (times[large] - times[small]) / max(1, large - small)), times[large] / large
    )
    return Line(fixed=times[large] - slope * large, slope=slope)


def _step(
    config: RunConfig,
    name: str,
    features: Features,
    classes: tuple[str, ...],
    base: Path | None,
    rows: int,
    now: Now,
) -> float:
    first = _times(config, name, features, classes, base, rows, _FIRST + 2, now)
    count = int(min(_MOST_STEPS, max(4, _SECONDS / max(first[-1], 1e-6))))
    return mean(_times(config, name, features, classes, base, rows, _FIRST + count, now)[_FIRST:])


def _times(
    config: RunConfig,
    name: str,
    features: Features,
    classes: tuple[str, ...],
    base: Path | None,
    rows: int,
    steps: int,
    now: Now,
) -> list[float]:
    """Seconds of each step of one epoch with so many steps of so many rows."""
    model = build(config, name, features.specs, classes, base)
    used, _ = built(config.losses, len(model.names), base)
    data = repeated(
        training_data(features, names=tuple(model.names), pseudo={}, unlabelled=True), rows * steps
    )
    ticks = [_moment(now)]
    training = config.training.model_copy(update={"batch_size": rows})
    fit(model, used, data, training, epochs=1, progress=lambda *_: ticks.append(_moment(now)))
    return (
        np.diff(ticks)[1:].tolist() if len(ticks) > 2 else np.diff(ticks).tolist()
    )  # the first includes building


def _moment(now: Now) -> float:
    """The time at which everything asked of a GPU so far is done."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return now()


def repeated(data: TrainingData, rows: int) -> TrainingData:
    """The same records again and again until there are ``rows`` of them, labelled and unlabelled as they come."""
    both = np.concatenate([data.supervised, data.unlabelled])
    many: NDArray[np.int64] = np.random.default_rng(0).choice(both, rows)
    changed: Mapping[str, Any] = {"supervised": many, "unlabelled": np.empty(0, np.int64)}
    return TrainingData(
        **{**{name: getattr(data, name) for name in data.__dataclass_fields__}, **changed}
    )


class Clock:
    """A progress callback that adds up the time between the steps of one model; the first step of each counts as a mean one."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._last: dict[str, float] = {}
        self._between: dict[str, list[float]] = {}

    def __call__(self, what: str, done: int, total: int) -> None:  # noqa: ARG002
        """Note the time."""
        now = _moment(self._now)
        if what in self._last:
            self._between.setdefault(what, []).append(now - self._last[what])
        self._last[what] = now

    @property
    def seconds(self) -> float:
        """Of all steps of all models."""
        found = 0.0
        for what in self._last:
            between = self._between.get(what, [])
            found += sum(between) + (sum(between) / len(between) if between else 0.0)
        return found


def device(config: RunConfig) -> str:
    """``cpu`` or ``cuda``: where the training loop would run here."""
    return placed(config.training)[0].type
