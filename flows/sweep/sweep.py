"""A sweep: the configuration itself, then others, each judged by held-out visible labels alone."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.config import run as configuration
from components.config.home import find, writable
from components.config.run import RunConfig
from components.core.errors import UserError
from components.core.refs import Ref, digest_json
from components.features.store import Features
from components.features.target import build_target
from components.training.held_out import HELD_OUT, HeldOut, of_committee
from components.training.pseudo_label import COMMITTEE
from flows import engines
from flows.check import check
from flows.display import Display, console
from flows.runs import records as runs
from flows.steps.step import DATA, Job, Step, named, needed, walk
from flows.steps.table import steps_for
from flows.sweep.found import Sweep, Trials, described
from flows.sweep.record import Record
from flows.sweep.space import Chosen, Setting, changed, changes, default, space
from flows.sweep.study import Study

_COMMITTEE_ALONE, _NETWORK_TOO = "pseudo_label", "judge"
"""The last step of a trial, by what held-out records can judge."""
_VERSION = 2  # the network is judged without the student
"""Raise it when trials of before are not to be gone on with."""


def sweep(
    path: Path, *, minutes: float, data: str | None = None, wait: bool = True, most: int = 10_000
) -> Sweep:
    """Try configurations until the time is over.

    Only visible labels of training records are read: no trial is judged by a validation or test
    record, whatever ``training.selection`` says.

    Args:
        path: the run's YAML.
        minutes: no trial starts after these, and a running one is stopped; the configuration itself
            is tried in any case.
        data: path of the data set, if not the configuration's.
        wait: wait for another run on the same state folder.
        most: trials beyond this many are not started.

    Raises:
        UserError: a mistake in the configuration or the data, or no record can judge.
    """
    engines.quiet()
    clock = _Clock(time.monotonic() + 60 * minutes)
    config, home = configuration.load(path, data), writable(find())
    training = config.training.model_copy(update={"selection": "folds"})
    config = config.model_copy(update={"training": training})
    hidden = not console.is_terminal
    with (
        runs.exclusive(home, wait=wait, say=console.print),
        Display(hidden=hidden) as display,
    ):
        job = Job.opened(config, base=path.resolve().parent, home=home)
        check(config, path, job.manifest)
        if build_target(job.manifest.target.kind, [], job.base).primary is None:
            raise UserError(
                f"the target of {config.data.uri} is {job.manifest.target.kind!r}: nothing is"
                " predicted, so no label can tell which configuration is better; run it as it is"
            )
        clock.show = display.show
        return _swept(replace(job, progress=clock), clock, most)


class _OutOfTime(Exception):
    """The time is over while a trial is running."""


class _Clock:
    """Shows progress, and stops a trial that may not go on."""

    def __init__(self, end: float) -> None:
        self.end, self.limited = end, False
        self.show: Any = None

    def __call__(self, what: str, done: int, total: int) -> None:
        self.show(what, done, total)
        if self.limited and self.over:
            raise _OutOfTime

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end


def _swept(job: Job, clock: _Clock, most: int) -> Sweep:
    console.print("[bold]trial 0[/bold]: the configuration itself")
    start = time.monotonic()
    own, network, key, used = _first(job)
    if len(own.ids) < 2:
        raise UserError(
            f"{len(own.ids)} labelled training records are held out, and none can tell which"
            " configuration is better; label more records, or run the configuration as it is"
        )
    settings = space(job.config, job.manifest, job.base, used=used, network=network)
    tree = {s.name: list(s.choices) for s in settings}
    folder = job.home.root / "sweeps" / digest_json([_VERSION, key, tree])[:16]
    study = _opened(folder, settings, job)
    trials = Trials(folder, settings, own)
    trials.recall(study.finished())
    found = Sweep(settings=settings, network=network, trials=trials.done)
    found.earlier = len(found.trials)
    record = Record(job)
    try:
        if not found.trials:
            proposed = study.propose()
            assert proposed is not None
            assert proposed[1] == default(settings)
            trial = trials.told(proposed[1], own, time.monotonic() - start)
            study.tell(proposed[0], trial.gain.mean, {"seconds": trial.seconds})
            record.trial(trial)
        clock.limited = True
        found.ended = _others(job, clock, most, found, study, trials, record)
    except KeyboardInterrupt:
        if not found.trials:
            raise
        found.ended = "interrupted"
    finally:
        record.finish(found)
    return found


def _opened(folder: Path, settings: tuple[Setting, ...], job: Job) -> Study:
    """The trials of before; where not even the first one has ended, a new beginning."""
    log, seed = folder / "trials.log", job.config.training.seed
    study = Study(log, settings, seed)
    if study.finished():
        return study
    log.unlink()
    return Study(log, settings, seed)


def _first(job: Job) -> tuple[HeldOut, bool, str, dict[str, list[str]]]:
    """The configuration itself.

    Returns:
        Its evidence, whether that judges the network too, the key of the step that it is of, and
        the views of each modality.
    """
    outputs, key = _walked(job, _COMMITTEE_ALONE)
    features = outputs["encode"].path
    specs = Features.load(features).specs
    used = {name: [view.name for view in spec.views] for name, spec in specs.items()}
    found = of_committee(features, outputs["pseudo_label"].path / COMMITTEE)
    if found is not None and not found[1]:
        return found[0], False, key, used
    outputs, key = _walked(job, _NETWORK_TOO)
    return HeldOut.read(outputs[_NETWORK_TOO].path / HELD_OUT), True, key, used


def _walked(job: Job, last: str) -> tuple[Mapping[str, Ref], str]:
    """Outputs of the steps up to the last one, and the key of that."""
    results = list(walk(needed(_steps(job), last), job))
    return {DATA: job.data} | {r.name: r.ref for r in results}, results[-1].key


def _steps(job: Job) -> tuple[Step, ...]:
    """Those of a run, and what judges the network of a trial without fitting the student."""
    rows = steps_for(job.config, job.manifest, job.base)
    return (*rows, replace(named(rows, "train"), name=_NETWORK_TOO, task="judge"))


def _evidence(job: Job, network: bool) -> HeldOut:
    """Figures of a trial on held-out records."""
    outputs, _ = _walked(job, _NETWORK_TOO if network else _COMMITTEE_ALONE)
    if network:
        return HeldOut.read(outputs[_NETWORK_TOO].path / HELD_OUT)
    found = of_committee(outputs["encode"].path, outputs["pseudo_label"].path / COMMITTEE)
    if found is None:
        raise UserError("no view is fixed, so no committee can be judged")
    return found[0]


def _others(
    job: Job,
    clock: _Clock,
    most: int,
    found: Sweep,
    study: Study,
    trials: Trials,
    record: Record,
) -> str:
    """Try other configurations; returns why none is tried any more."""
    while len(found.trials) + len(found.failed) < most:
        if clock.over:
            return "the time is over"
        if (proposed := study.propose()) is None:
            return "everything was tried"
        handle, chosen = proposed
        start = time.monotonic()
        told = changes(found.settings, chosen)
        try:
            held_out = _evidence(replace(job, config=_config(job, found, chosen)), found.network)
        except UserError as error:
            study.failed(handle, str(error))
            found.failed.append((told, str(error)))
            console.print(f"failed: {described(told)}: {error}", markup=False, soft_wrap=True)
            continue
        except _OutOfTime:
            study.failed(handle)
            return "the time is over"
        except BaseException:
            study.failed(handle)
            raise
        seconds = time.monotonic() - start
        trial = trials.told(chosen, held_out, seconds)
        study.tell(handle, trial.gain.mean, {"seconds": trial.seconds})
        record.trial(trial)
        console.print(
            f"[bold]trial {trial.number}[/bold]: {trial.gain.mean:+.4f} ± {trial.gain.error:.4f}"
            f"  ({seconds:.0f} s)  {described(trial.changes)}",
            soft_wrap=True,
        )
    return "all the trials asked for are done"


def _config(job: Job, found: Sweep, chosen: Chosen) -> RunConfig:
    tree = changed(job.config.model_dump(mode="json"), found.settings, chosen)
    return RunConfig.model_validate(tree)
