"""What a sweep found: trials, gains, and whether one of them is better beyond noise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.training.held_out import HeldOut
from flows.sweep.gain import Gain, chance, gain, gain_of_choosing
from flows.sweep.space import Chosen, Setting, changes

SELDOM = 0.05
"""What happens less often by chance counts as a gain."""
WORTH = 0.001
"""Least gain, in log-likelihood of a record, that is worth another configuration: where nearly all
is answered rightly, differences of a millionth are no chance and of no use."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A configuration that was tried.

    Attributes:
        number: in the order of the trials; 0 is the configuration itself.
        chosen: the choice of each setting.
        changes: choices that are not the configuration's own.
        held_out: its figures on held-out records.
        gain: how much better it is than the configuration itself.
        seconds: that it took.
    """

    number: int
    chosen: Chosen
    changes: Chosen
    held_out: HeldOut
    gain: Gain
    seconds: float


class Trials:
    """The finished trials of a sweep, each also in a file."""

    def __init__(self, folder: Path, settings: tuple[Setting, ...], own: HeldOut) -> None:
        """Take none up yet.

        Args:
            folder: for the files.
            settings: what is searched.
            own: figures of the configuration itself on held-out records.
        """
        self._folder, self._settings, self._own = folder, settings, own
        self.done: list[Trial] = []

    def told(self, chosen: Chosen, held_out: HeldOut, seconds: float) -> Trial:
        """Keep a trial."""
        held_out.save(self._folder / f"{len(self.done)}.json")
        return self._add(chosen, held_out, round(seconds, 1))

    def recall(self, earlier: list[tuple[Chosen, Mapping[str, Any]]]) -> None:
        """Take up what an earlier sweep of the same configuration and data has found."""
        for number, (chosen, notes) in enumerate(earlier):
            held_out = HeldOut.read(self._folder / f"{number}.json")
            self._add(chosen, held_out, float(notes["seconds"]))

    def _add(self, chosen: Chosen, held_out: HeldOut, seconds: float) -> Trial:
        trial = Trial(
            number=len(self.done),
            chosen=chosen,
            changes=changes(self._settings, chosen),
            held_out=held_out,
            gain=gain(self._own, held_out),
            seconds=seconds,
        )
        self.done.append(trial)
        return trial


@dataclass(kw_only=True)
class Sweep:
    """What a sweep found.

    Attributes:
        settings: what was searched.
        network: whether held-out records judged the network too.
        trials: in their order; the first one is the configuration itself.
        earlier: how many of them an earlier sweep had done.
        failed: changes and reasons of trials that failed.
        ended: why no further trial was started.
    """

    settings: tuple[Setting, ...]
    network: bool
    trials: list[Trial] = field(default_factory=list)
    earlier: int = 0
    failed: list[tuple[Chosen, str]] = field(default_factory=list)
    ended: str = ""

    @property
    def best(self) -> Trial:
        """The trial of the largest gain; of equal ones, the first."""
        return max(self.trials, key=lambda trial: trial.gain.mean)

    @property
    def choosing(self) -> float:
        """What choosing the best gains, by records that did not choose it."""
        first, *others = self.trials
        return gain_of_choosing(first.held_out, [trial.held_out for trial in others])

    @property
    def chance(self) -> float:
        """How often the best would look as good if none of the trials were better."""
        first, *others = self.trials
        if not self.best.changes:
            return 1.0
        evidence = [trial.held_out for trial in others]
        return chance(first.held_out, evidence, others.index(self.best))

    @property
    def matters(self) -> bool:
        """Whether the best trial's gain is large enough for anyone to notice."""
        return self.best.gain.mean >= WORTH

    @property
    def better(self) -> bool:
        """Whether another configuration is better, by more than chance and so that it matters."""
        return self.matters and self.chance < SELDOM


def described(chosen: Mapping[str, str]) -> str:
    """The changes of a trial in one line."""
    said = (f"{name.removeprefix('modalities.')}={value}" for name, value in chosen.items())
    return ", ".join(said) or "the configuration itself"
