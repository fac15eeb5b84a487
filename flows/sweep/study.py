"""Which configuration is tried next, and what came of those before: Optuna's part of a sweep.

The configuration itself comes first, then each change by itself in random order, since a good
default lets few changes be better and hardly any combination of random ones; then what Optuna
makes of these.

Source: tree-structured Parzen estimators, Bergstra et al. 2011 (NeurIPS 24, 2546-2554).
"""

import random
from collections.abc import Mapping, Sequence
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.sweep.space import Chosen, Setting, default

if TYPE_CHECKING:
    import optuna

_LISTED = 20_000
"""Configurations of a space that are listed, to find those that were not tried."""
_SAME_IN_A_ROW = 10


class Study:
    """The trials of one space, kept in a file."""

    def __init__(self, place: Path, settings: Sequence[Setting], seed: int) -> None:
        """Open the file, or make it.

        Args:
            place: the file.
            settings: the space.
            seed: of the proposals.
        """
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._state, self._settings = optuna.trial.TrialState, settings
        self._random = random.Random(seed)  # noqa: S311
        self._study = optuna.create_study(
            study_name="sweep",
            storage=JournalStorage(JournalFileBackend(str(place))),
            sampler=optuna.samplers.TPESampler(seed=seed),
            direction="maximize",
            load_if_exists=True,
        )
        for left in self._study.get_trials(states=(self._state.RUNNING,)):  # it was killed
            self._study.tell(left.number, state=self._state.FAIL)
            self._study.enqueue_trial(left.params)
        if not self._study.get_trials():
            singles = [default(settings) | {s.name: c} for s in settings for c in s.choices]
            self._random.shuffle(singles)
            for chosen in (default(settings), *singles):
                self._study.enqueue_trial(chosen, skip_if_exists=True)

    def finished(self) -> list[tuple[Chosen, Mapping[str, Any]]]:
        """Choices and notes of every trial that has a gain, in order."""
        found = self._study.get_trials(states=(self._state.COMPLETE,))
        return [(dict(t.params), t.user_attrs) for t in found if t.user_attrs]

    def _tried(self) -> "dict[tuple[tuple[str, str], ...], optuna.trial.FrozenTrial]":
        """Trials that need not be done again; one that was stopped may be."""
        found = self._study.get_trials(states=(self._state.COMPLETE, self._state.FAIL))
        done = [t for t in found if t.state == self._state.COMPLETE or t.user_attrs]
        return {_key(t.params): t for t in done}

    def propose(self) -> "tuple[optuna.Trial, Chosen] | None":
        """A trial to do next; None where everything was tried."""
        for same in range(_SAME_IN_A_ROW + 1):
            tried = self._tried()
            if same == _SAME_IN_A_ROW:
                left = self._untried(set(tried))
                if not left:
                    return None
                self._study.enqueue_trial(dict(self._random.choice(left)))
            trial = self._study.ask()
            chosen = {
                s.name: trial.suggest_categorical(s.name, [*s.choices]) for s in self._settings
            }
            known = tried.get(_key(chosen))
            if known is None:
                return trial, chosen
            # The same again is known; only the sampler hears it.
            if known.state == self._state.COMPLETE:
                self._study.tell(trial, known.value)
            else:
                self._study.tell(trial, state=self._state.FAIL)
        return None

    def tell(self, trial: "optuna.Trial", gain: float, notes: Mapping[str, Any]) -> None:
        """A trial ended, with this gain.

        Args:
            trial: which.
            gain: more is better.
            notes: JSON to keep with it.
        """
        for name, value in notes.items():
            trial.set_user_attr(name, value)
        self._study.tell(trial, gain)

    def failed(self, trial: "optuna.Trial", reason: str = "") -> None:
        """A trial ended without a gain: for a reason, or because it was stopped."""
        if reason:
            trial.set_user_attr("failed", reason)
        self._study.tell(trial, state=self._state.FAIL)
        if not reason:
            self._study.enqueue_trial(dict(trial.params))

    def _untried(
        self, tried: set[tuple[tuple[str, str], ...]]
    ) -> list[tuple[tuple[str, str], ...]]:
        sizes = prod(len(setting.choices) for setting in self._settings)
        every = product(*([(s.name, c) for c in s.choices] for s in self._settings))
        listed = islice(every, _LISTED) if sizes > _LISTED else every
        return [each for each in map(lambda e: tuple(sorted(e)), listed) if each not in tried]


def _key(chosen: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(chosen.items()))
