"""The training tasks: the student, and the models that the kept one is compared with."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from components.config.run import ModelConfig, Part
from components.core.errors import UserError
from components.core.files import write_json
from components.core.progress import Log, Progress, silent, unlogged
from components.core.refs import digest_json
from components.features.store import Features
from components.model import network as models
from components.model.network import Mix, Model
from components.parts import loading as parts
from components.parts.own import OWN
from components.training import taught
from components.training.checkpoint import Store
from components.training.committee import Views
from components.training.data import Pseudo, training_data
from components.training.held_out import HELD_OUT, LEAST, everything_held_out, held_out
from components.training.light import light_views, put_into
from components.training.loop import UNDISTURBED, Control, fit
from components.training.objective import built
from components.training.pseudo_label import COMMITTEE, REHEARSAL, read_pseudo, rounds
from components.training.remember import remember, remember_mix
from components.training.selection import (
    Trial,
    calibrated,
    calibration,
    choose,
    held_out_by_folds,
    of_model,
    thresholds,
)
from components.training.spec import TrainSpec
from components.training.taught import Taught
from components.training.teaching import FOLDS_OF_FEW, in_folds, teach_committee, untrained, write

REHEARSED_SINCE = LEAST * FOLDS_OF_FEW
"""Labelled records from which on a fold has so many, and a second network is fitted."""
STUDENT = "student"
"""Name of the network, and of its folder; those of the second one are ``REHEARSAL``."""


@dataclass(kw_only=True)
class Trainer:
    """Fits the models of one spec and counts their steps.

    Attributes:
        spec: what to train.
        features: its opened features.
        checkpoints: where interrupted runs are kept and resumed from.
        log: receives the figures of each epoch.
        progress: called after every step.
        control: processes, when to stop, and how often to write a checkpoint.
        steps: optimiser steps of the models fitted so far.
        resumed: how many of these were done before an interruption.
        history: figures of each epoch of the models fitted so far, by name.
    """

    spec: TrainSpec
    features: Features
    checkpoints: Store | None = None
    log: Log = unlogged
    progress: Progress = silent
    control: Control = UNDISTURBED
    steps: int = field(default=0, init=False)
    resumed: int = field(default=0, init=False)
    history: dict[str, list[dict[str, float]]] = field(default_factory=dict, init=False)

    def model(
        self,
        name: str,
        *,
        pseudo: Pseudo | None,
        out: Path | None = None,
        features: Features | None = None,
        alone: str | None = None,
        fusion: Part | None = None,
        weights: bool = True,
    ) -> Model:
        """Fit one model and write its folder.

        Args:
            name: of the model in progress, log and checkpoints.
            pseudo: pseudo-labels; None fits on visible labels only.
            out: folder for the model and ``history.json``, if they are kept.
            features: in place of the spec's features.
            alone: the only modality it may use.
            fusion: in place of the spec's fusion.
            weights: whether the folder holds the model too, or ``history.json`` alone.
        """
        config, training = self.spec.model, self.spec.training
        config = config if fusion is None else config.model_copy(update={"fusion": fusion})
        features = features or self.features
        names = (alone,) if alone else tuple(features.names)
        losses, reads_all = built(self.spec.losses, len(names), self.base)
        reads_all &= len(names) > 1
        unpredicting = not features.target.width
        if unpredicting and not reads_all:
            raise UserError(
                f"{name}: without labels a model learns by aligning modalities alone; got "
                f"{', '.join(names)} and the losses {', '.join(sorted(losses))}, wanted two "
                "modalities and a loss that reads no labels, such as `losses: {info_nce: {}}`"
            )
        data = training_data(features, names=names, pseudo=pseudo, unlabelled=reads_all)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            model = self._fresh(config, names)
            fitted = fit(
                model,
                losses,
                data,
                training,
                epochs=training.epochs,
                checkpoints=self.checkpoints,
                key=self._key(name, config),
                name=name,
                log=self.log,
                progress=self.progress,
                control=self.control,
            )
        self.history[name] = fitted.history
        self.steps += fitted.steps
        self.resumed += fitted.resumed_from
        if out is None:
            return model
        out.mkdir(parents=True, exist_ok=True)
        if weights:
            models.save(model, out)
        summary = {
            "steps": fitted.steps,
            "records": len(data.supervised) + len(data.unlabelled),
            "epochs": fitted.history,
        }
        write_json(out / "history.json", summary)
        return model

    def trainable(self, name: str, pseudo: Pseudo | None) -> bool:
        """Whether any training record has a target and this modality."""
        return len(training_data(self.features, names=(name,), pseudo=pseudo).supervised) > 0

    def _fresh(self, config: ModelConfig, names: tuple[str, ...]) -> Model:
        specs = {name: self.features.specs[name] for name in names}
        return models.build(
            config,
            classes=self.features.classes,
            specs=specs,
            target=self.features.target_kind,
            target_base=self.features.path / OWN,
            base=self.base,
        )

    def _key(self, name: str, config: ModelConfig) -> str:
        """Key of a model's checkpoints: the spec, the model's name and the source of its parts.

        In a run the spec's digest is that of the step's key, and covers all of this; outside of
        one it does not cover the source of parts.
        """
        sources = [
            parts.source_digest("losses", loss, self.base) for loss in sorted(self.spec.losses)
        ]
        return digest_json(
            [
                self.spec.digest(),
                name,
                parts.source_digest("fusion", config.fusion.name, self.base),
                *sources,
            ]
        )

    @property
    def base(self) -> Path | None:
        """Folder that a user's own parts are relative to."""
        return Path(self.spec.base) if self.spec.base else None


def perform(trainer: Trainer, place: Callable[[str], Path], out: Path) -> None:
    """Do the task of a trainer's spec.

    Args:
        trainer: fits its models.
        place: maps the name of an input to its local folder.
        out: an empty folder.
    """
    pseudo = place("pseudo") if trainer.spec.pseudo else None
    tasks = {"train": train, "judge": judge, "baselines": baselines}
    tasks[trainer.spec.task](trainer, pseudo=pseudo, out=out)


def train(trainer: Trainer, *, pseudo: Path | None, out: Path) -> None:
    """Fit the student, and decide whether the committee, the student or both answer.

    Writes ``model/`` (what answers), ``student/`` (the network alone), ``rehearsal/history.json``
    (where one is fitted), ``selection.json``, ``held_out.json`` (how what answers did on held-out
    records), ``calibration.json`` and, where the target decides by them, ``thresholds.json``.
    Nothing here reads validation labels unless ``training.selection`` says so.

    Args:
        trainer: fits the student.
        pseudo: output of pseudo-label; without it there is no committee, and the student learns
            from visible labels alone.
        out: an empty folder.
    """
    features, by = trainer.features, trainer.spec.training.selection
    labels = read_pseudo(pseudo) if pseudo else None
    found = taught.load(pseudo / COMMITTEE) if pseudo else None
    model = trainer.model(STUDENT, pseudo=labels, out=out / STUDENT)
    views = None
    if found is not None:
        put_into(model, found.made, found.committee, found.shift)
        views = light_views(model, features, found.made, found.labelled.rows)
        everything = held_out_by_folds(found, views)(features.names)
        remember(model, features, found.labelled, everything)
    if by == "validation":
        trial = _by_validation(trainer, model, found)
    else:
        trial = _by_fold(trainer, found, views, pseudo, out)
    model.mix, selection = choose(trial, features)
    remember_mix(model, features)
    if by == "folds" and found is not None and views is not None and not model.mix.network:
        trial = everything_held_out(found, views)  # more records than the fold that chose
    held_out(trial, model.mix, features).save(out / HELD_OUT)
    temperatures = calibration(trial, model.mix, features)
    write_json(out / "calibration.json", temperatures)
    if trial.answers(model.mix) and features.target.width:
        answers = calibrated(trial, model.mix, features, temperatures)
        known = thresholds(features.target, answers, features.labels[trial.rows])
        if known is not None:
            write_json(out / "thresholds.json", known)
    models.save(model, out / "model")
    write_json(out / "selection.json", {**selection, "by": by})


def judge(trainer: Trainer, *, pseudo: Path | None, out: Path) -> None:
    """Tell how the run's answers do on held-out labelled records, without the student.

    Writes ``held_out.json`` and ``selection.json`` as ``train`` does by folds, and
    ``rehearsal/history.json``.

    Args:
        trainer: fits the network that is judged.
        pseudo: output of pseudo-label.
        out: an empty folder.
    """
    features = trainer.features
    found = taught.load(pseudo / COMMITTEE) if pseudo else None
    views = None
    if found is not None and pseudo is not None:
        model = models.load(pseudo / COMMITTEE)
        views = light_views(model, features, found.made, found.labelled.rows)
    trial = _by_fold(trainer, found, views, pseudo, out)
    mix, selection = choose(trial, features)
    if found is not None and views is not None and not mix.network:
        trial = everything_held_out(found, views)  # more records than the fold that chose
    held_out(trial, mix, features).save(out / HELD_OUT)
    write_json(out / "selection.json", {**selection, "by": "folds"})


def _by_validation(trainer: Trainer, model: Model, found: Taught | None) -> Trial:
    """The validation records, which neither committee nor student has seen."""
    features = trainer.features
    rows = features.rows("val", labelled=True)
    rows = rows[features.present[rows].any(axis=1)]
    network = of_model(model, Mix(), features, rows)
    if found is None:
        return Trial(rows=rows, network=network)
    committee = of_model(model, Mix(network=0.0, committee=1.0), features, rows)
    few = len(rows) < LEAST
    return Trial(rows=rows, network=None if few else network, committee=committee)


def _by_fold(
    trainer: Trainer,
    found: Taught | None,
    views: Views | None,
    pseudo: Path | None,
    out: Path,
) -> Trial:
    """The first fold of the labelled records, and a student that rehearses without it."""
    features = trainer.features
    rows = hidden = _hidden(trainer, found)
    committee = None
    if found is not None and views is not None:
        at = np.flatnonzero((found.labelled.folds == 0) & found.labelled.telling)
        rows, committee = found.labelled.rows[at], held_out_by_folds(found, views, at)
    if len(rows) < LEAST:
        return Trial(rows=rows, committee=committee)
    rehearsal = trainer.model(
        REHEARSAL,
        pseudo=read_pseudo(pseudo, REHEARSAL) if pseudo else None,
        out=out / REHEARSAL,
        features=_without(features, hidden),
        weights=False,
    )
    network = of_model(rehearsal, Mix(), features, rows)
    return Trial(rows=rows, committee=committee, network=network)


def _without(features: Features, rows: NDArray[np.int64]) -> Features:
    """The same records, without the labels of some."""
    labels = features.labels.copy()
    labels[rows] = features.target.unlabelled(len(rows))
    return replace(features, labels=labels)


def _hidden(trainer: Trainer, found: Taught | None) -> NDArray[np.int64]:
    """The labelled records of the first fold."""
    if found is not None:
        judging: NDArray[np.int64] = found.labelled.rows[found.labelled.folds == 0]
        return judging
    features = trainer.features
    rows = features.rows("train", labelled=True)
    rows = rows[features.present[rows].any(axis=1)]
    if not features.target.width or not len(rows):
        return rows[:0]
    folds = in_folds(features, rows, trainer.spec.training.seed)
    return rows[folds == 0] if folds.max() else rows[:0]


def baselines(trainer: Trainer, *, pseudo: Path | None, out: Path) -> None:
    """Fit what the kept model is compared with.

    They are one model for each modality alone (a committee, with rounds where the run has them; a
    network where no view of the modality is fixed), the student without pseudo-labels, and one with
    plain concatenation where another fusion is chosen. Writes a model folder for each and
    ``baselines.json``, with the primary figure on all records that were held out.
    """
    features = trainer.features
    labels = read_pseudo(pseudo) if pseudo else None
    found: dict[str, dict[str, object]] = {}
    for name in features.names if len(features.names) > 1 and features.target.width else []:
        found[f"only-{name}"] = _alone(trainer, name, pseudo, out / f"only-{name}")
    if labels is not None:
        trainer.model("supervised", pseudo=None, out=out / "supervised")
        found["supervised"] = {}
    # Without classes the fusion is a mean, whatever it is called.
    several = len(features.names) > 1 and features.target.width > 0
    if trainer.spec.model.fusion.name != "concat" and several:
        fusion = Part(name="concat")
        trainer.model("concat", pseudo=labels, fusion=fusion, out=out / "concat")
        found["concat"] = {}
    write_json(out / "baselines.json", {"models": found})


def _alone(trainer: Trainer, name: str, pseudo: Path | None, out: Path) -> dict[str, object]:
    """The model of one modality, and its figure on held-out records."""
    features, spec = trainer.features, trainer.spec
    labels = read_pseudo(pseudo) if pseudo else None
    model = untrained(features, spec.model, spec.training, trainer.base, [name])
    found = teach_committee(model, features, spec.training.seed)
    if isinstance(found, str):
        if not trainer.trainable(name, labels):
            return {"skipped": f"no training record has both a target and {name}"}
        trainer.model(f"only-{name}", pseudo=labels, alone=name, out=out)
        return _alone_without(trainer, name, pseudo, out.with_name(f"{REHEARSAL}-{name}"))
    if labels is not None:
        done = rounds(model, features, found)
        found = found if isinstance(done, str) else done.taught
    write(model, found, out)
    rows = found.labelled.rows
    views = light_views(model, features, found.made, rows)
    labelled = features.rows("train", labelled=True)
    return _figure(features, labelled, rows, held_out_by_folds(found, views)([name]))


def _alone_without(
    trainer: Trainer, name: str, pseudo: Path | None, out: Path
) -> dict[str, object]:
    """The figure of a network of one modality, fitted again without the first fold, on that."""
    features = trainer.features
    hidden = _hidden(trainer, taught.load(pseudo / COMMITTEE) if pseudo else None)
    less, labels = _without(features, hidden), read_pseudo(pseudo, REHEARSAL) if pseudo else None
    rows = hidden[features.present[hidden, features.names.index(name)]]
    if not len(rows) or not len(training_data(less, names=(name,), pseudo=labels).supervised):
        return {}
    model = trainer.model(
        out.name, pseudo=labels, features=less, alone=name, out=out, weights=False
    )
    return _figure(features, hidden, rows, of_model(model, Mix(), features, rows)([name]))


def _figure(
    features: Features,
    rows: NDArray[np.int64],
    having: NDArray[np.int64],
    logits: NDArray[np.floating],
) -> dict[str, object]:
    """The primary figure of a modality alone on held-out records.

    It counts as the gate does: a record without the modality has the baseline's answer. Else one
    that few records have would often look best.

    Args:
        features: the data set.
        rows: the held-out records, sorted.
        having: those of them that have the modality, sorted.
        logits: of these.
    """
    target = features.target
    visible = features.labels[features.rows("train", labelled=True)]
    answers = np.array(target.baseline(visible, len(rows)))
    answers[np.isin(rows, having)] = target.answers(target.probabilities(logits))
    return {"held_out": target.metrics(features.labels[rows], answers)[str(target.primary)]}
