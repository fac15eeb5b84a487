"""One walk through the real stages of a run on a sample, and what each of them took."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from components.config.home import Home
from components.config.run import RunConfig
from components.core.progress import Progress
from components.core.refs import Ref, digest_folder
from components.plan.machine import Now


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a run as plans see it.

    Attributes:
        name: unique in the run.
        inputs: the earlier stages, or ``data``, whose outputs it reads.
        training: whether it fits models.
        divided: whether pods may each do a part of its records.
        work: does the stage: ``(outputs so far, state folder, out, progress)``.
    """

    name: str
    inputs: tuple[str, ...]
    training: bool
    divided: bool
    work: Callable[[Mapping[str, Ref], Home, Path, Progress], None]


Table = Callable[[RunConfig], Sequence[Stage]]
"""The stages of a configuration, in order. They come from the flow, which alone knows them."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one stage took.

    Attributes:
        seconds: without the steps of training.
        step_seconds: of all steps.
        written: bytes of its output.
        checkpoints: bytes of the last checkpoint of every model that it fitted.
        fits: epochs, and records of an epoch, of these models.
        steps: of all these models.
        models: their names.
    """

    seconds: float
    step_seconds: float
    written: int
    checkpoints: int
    fits: tuple[tuple[int, int], ...]
    steps: int
    models: tuple[str, ...] = ()

    @property
    def step(self) -> tuple[float, float]:
        """Mean records and seconds of a step; a step of no time where nothing was fitted."""
        if not self.steps:
            return 1.0, 0.0
        rows = sum(epochs * records for epochs, records in self.fits)
        return rows / self.steps, self.step_seconds / self.steps


def walk(stages: Sequence[Stage], data: str, folder: Path, now: Now) -> Iterator[tuple[str, Taken]]:
    """Do all stages; the name of each, and what it took.

    Args:
        stages: those of a run on the sample.
        data: the sample.
        folder: takes the outputs and the state folder.
        now: the clock.
    """
    home, outputs = Home(root=folder / "home"), {"data": Ref(uri=data, digest="")}
    known: set[str] = set()
    for stage in stages:
        out, clock, kept = folder / stage.name, StepClock(now), _bytes(home.checkpoints)
        out.mkdir(parents=True)
        start = now()
        stage.work(outputs, home, out, clock)
        outputs[stage.name] = Ref(uri=str(out), digest=digest_folder(out))
        seconds = now() - start
        fitted = dict(_new_histories(out, known)) if stage.training else {}
        steps, histories = clock.seconds(fitted), fitted.values()
        yield (
            stage.name,
            Taken(
                seconds=seconds - steps,
                step_seconds=steps,
                written=_bytes(out),
                checkpoints=_bytes(home.checkpoints) - kept,
                fits=tuple((len(h["epochs"]), h["records"]) for h in histories),
                steps=sum(h["steps"] for h in histories),
                models=tuple(fitted),
            ),
        )


def _bytes(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def _new_histories(out: Path, known: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and histories of the networks that a stage has fitted; one that it passes on is known.

    A network has a folder of its name.
    """
    for path in sorted(out.rglob("history.json")):
        text = path.read_text(encoding="utf-8")
        if text not in known:
            known.add(text)
            yield path.parent.name, json.loads(text)


class StepClock:
    """A progress callback that adds up the time between a model's steps.

    Other work reports too, such as the rounds of a committee; nobody asks for its seconds. The
    first step of each model, which nothing precedes, counts as a mean one.
    """

    def __init__(self, now: Now) -> None:
        self._now = now
        self._last: dict[str, float] = {}
        self._between: dict[str, list[float]] = {}

    def __call__(self, what: str, done: int, total: int) -> None:  # noqa: ARG002
        """Note the time at which all that a GPU was asked for is done."""
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
        now = self._now()
        if what in self._last:
            self._between.setdefault(what, []).append(now - self._last[what])
        self._last[what] = now

    def seconds(self, models: Iterable[str]) -> float:
        """Of all steps of these models."""
        found = [self._between[name] for name in models if name in self._between]
        return sum(sum(times) + sum(times) / len(times) for times in found)
