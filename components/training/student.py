"""The student, and what answers: the network, the committee or both."""

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from components.core.files import read_json, write_json
from components.features.store import Features
from components.model import storage
from components.model.description import BY_BOTH, BY_COMMITTEE, Mix
from components.model.network import Model
from components.training import taught
from components.training.held_out import HELD_OUT, LEAST, everything_held_out, held_out
from components.training.light import light_views, put_into
from components.training.loop import Halfway, halfway_loss
from components.training.pseudo_label import COMMITTEE, PSEUDO, REHEARSAL, read_pseudo
from components.training.rehearsal import hidden_rows, learned_views, without_labels
from components.training.remember import remember, remember_mix
from components.training.selection import (
    Answers,
    Trial,
    beats,
    calibrated,
    calibration,
    choose,
    held_out_by_folds,
    network_losses,
    of_model,
    thresholds,
)
from components.training.taught import Taught
from components.training.teaching import FOLDS_OF_FEW
from components.training.trainer import Trainer
from components.training.views import Views
from components.training.votes import take_votes, weigh_votes

REHEARSED_SINCE = LEAST * FOLDS_OF_FEW
"""Labelled records from which on a fold has so many, and networks rehearse."""
STUDENT, LEARNED = "student", "rehearsal-learned"
"""Names of networks, and of their folders; ``REHEARSAL`` is another."""
_SELECTION = "selection.json"


def train(trainer: Trainer, *, pseudo: Path | None, out: Path) -> None:
    """Fit the student, and decide whether the committee, the student or both answer.

    Writes ``model/`` (what answers), ``student/`` (the network alone), ``rehearsal/history.json``
    and ``rehearsal-learned/history.json`` (where they are fitted), ``selection.json``,
    ``held_out.json`` (how what answers did on held-out records), ``calibration.json`` and, where
    the target decides by them, ``thresholds.json``. Nothing here reads validation labels unless
    ``training.selection`` says so and they are enough.

    Args:
        trainer: fits the networks.
        pseudo: output of pseudo-label; without it there is no committee, and the student learns
            from visible labels alone.
        out: an empty folder.
    """
    features, by = trainer.features, _judges(trainer)
    found, views = _taught(features, pseudo)
    trial = _judging(trainer, by, found, views)
    seen, network, rehearsed = _rehearsed(trainer, trial, by, found, pseudo, out)
    labels = read_pseudo(pseudo) if pseudo else None
    model = trainer.model(STUDENT, pseudo=labels, features=seen, out=out / STUDENT)
    if by == "validation":
        weigh_votes(model, seen, trial.rows)
    elif rehearsed is not None:
        take_votes(model, rehearsed)
    if found is not None and views is not None:
        put_into(model, found.made, found.committee, found.shift)
        everything = held_out_by_folds(found, views)(seen.names)
        remember(model, seen, found.labelled, everything)
    if by == "validation":
        committee = of_model(model, BY_COMMITTEE, seen, trial.rows)
        trial = replace(trial, committee=committee if found else None)
        network = of_model(model, Mix(), seen, trial.rows)
    if found is None or len(trial.rows) >= LEAST:
        trial = replace(trial, network=network)
    # A network that learned the committee's calibrated answers is as sure as the committee is; one
    # that learned classes as facts is not.
    learned = labels is not None and labels.likeliest is not None
    model.mix, selection = choose(trial, seen, BY_BOTH if learned else BY_COMMITTEE)
    remember_mix(model, trial)
    trial, mix = _telling(trial, model.mix, by, found, views)
    held_out(trial, mix, seen).save(out / HELD_OUT)
    temperatures = calibration(trial, mix, seen)
    write_json(out / "calibration.json", temperatures)
    if trial.answers(mix) and seen.target.width:
        answers = calibrated(trial, mix, seen, temperatures)
        known = thresholds(seen.target, answers, seen.labels[trial.rows])
        if known is not None:
            write_json(out / "thresholds.json", known)
    storage.save(model, out / "model")
    _write(selection, by, features, seen, out)


def judge(trainer: Trainer, *, pseudo: Path | None, out: Path) -> None:
    """Tell how the run's answers do on held-out labelled records, without the student.

    Writes ``held_out.json``, ``selection.json`` and the rehearsals' histories as ``train`` does.

    Args:
        trainer: fits the networks that are judged; its selection is by folds.
        pseudo: output of pseudo-label.
        out: an empty folder.
    """
    features = trainer.features
    found, views = _taught(features, pseudo)
    trial = _judging(trainer, "folds", found, views)
    seen, network, _ = _rehearsed(trainer, trial, "folds", found, pseudo, out)
    trial = replace(trial, network=network)
    mix, selection = choose(trial, seen)
    trial, mix = _telling(trial, mix, "folds", found, views)
    held_out(trial, mix, seen).save(out / HELD_OUT)
    _write(selection, "folds", features, seen, out)


def seen_by_student(features: Features, trained: Path) -> Features:
    """The data set with the views that the student of a run reads.

    Args:
        features: the data set with all views.
        trained: output of train.
    """
    left_out = cast(list[str], read_json(trained / _SELECTION)["left_out"])
    return features.without(left_out)


def _telling(
    trial: Trial, mix: Mix, by: str, found: Taught | None, views: Views | None
) -> tuple[Trial, Mix]:
    """The records that tell how sure answers may be, and what answers them.

    Where nothing judged the network they are answered by the committee, and by folds more of them
    can be than chose.
    """
    if found is None or views is None or (mix.network and trial.network is not None):
        return trial, mix
    return (everything_held_out(found, views) if by == "folds" else trial), BY_COMMITTEE


def _write(
    selection: dict[str, object], by: str, features: Features, seen: Features, out: Path
) -> None:
    """Write what was chosen, and which views the network does without."""
    left_out = sorted(set(features.views()) - set(seen.views()))
    write_json(out / _SELECTION, {**selection, "by": by, "left_out": left_out})


def _taught(features: Features, pseudo: Path | None) -> tuple[Taught | None, Views | None]:
    """The committee after the rounds, and what it reads of its labelled records."""
    found = taught.load(pseudo / COMMITTEE) if pseudo else None
    if found is None or pseudo is None:
        return None, None
    teacher = storage.load(pseudo / COMMITTEE)
    return found, light_views(teacher, features, found.made, found.labelled.rows)


def _judges(trainer: Trainer) -> str:
    """What judges: validation records where the run asks for them and they suffice, or folds."""
    asked = trainer.spec.training.selection == "validation"
    return "validation" if asked and len(_validation(trainer.features)) >= LEAST else "folds"


def _validation(features: Features) -> NDArray[np.int64]:
    """The validation records that can judge ``(k,)``."""
    rows = features.rows("val", labelled=True)
    found: NDArray[np.int64] = rows[features.present[rows].any(axis=1)]
    return found


def _judging(trainer: Trainer, by: str, found: Taught | None, views: Views | None) -> Trial:
    """The records that judge: validation records, or the first fold of the labelled ones."""
    features = trainer.features
    if by == "validation":
        return Trial(rows=_validation(features))
    if found is None or views is None:
        return Trial(rows=hidden_rows(features, None, trainer.spec.training.seed))
    at = np.flatnonzero((found.labelled.folds == 0) & found.labelled.telling)
    return Trial(rows=found.labelled.rows[at], committee=held_out_by_folds(found, views, at))


def _rehearsed(
    trainer: Trainer,
    trial: Trial,
    by: str,
    found: Taught | None,
    pseudo: Path | None,
    out: Path,
) -> tuple[Features, Answers | None, Model | None]:
    """The data set with the views that the student is to read, and what a rehearsal answers.

    The last is that rehearsal's network.

    Encoders that are trained in the run are asked for by evidence alone: the network answers the
    records that judge better with them than without, by more than chance. If its mean loss is not
    lower after half of the epochs (with votes as they are learned, not yet weighed), nobody waits
    for the other half. Without classes there is no such evidence, and they stay.
    """
    features = trainer.features
    if not features.target.width:
        return features, None, None
    learned = learned_views(features)
    fixed = features.without(learned)
    # Validation records judge the student itself; they need a rehearsal for its encoders alone.
    if len(trial.rows) < LEAST or (by == "validation" and not learned):
        return fixed, None, None
    labelled = found.labelled if found else None
    folds = by == "folds"
    hidden = hidden_rows(features, labelled, trainer.spec.training.seed)[: None if folds else 0]
    labels = read_pseudo(pseudo, REHEARSAL if folds else PSEUDO) if pseudo else None

    def halfway(seen: Features, below: float) -> Halfway:
        def loss(network: Model) -> float:
            own = replace(trial, network=of_model(network, Mix(), seen, trial.rows))
            losses = network_losses(own, seen)
            return math.nan if losses is None else float(losses.mean())

        return Halfway(loss=loss, below=below)

    def rehearsal(name: str, seen: Features, below: float = math.nan) -> tuple[Answers, Model]:
        network = trainer.model(
            name,
            pseudo=labels,
            out=out / name,
            features=without_labels(seen, hidden),
            weights=False,
            halfway=halfway(seen, below) if learned else None,
        )
        weigh_votes(network, seen, trial.rows)
        return of_model(network, Mix(), seen, trial.rows), network

    without, smaller = rehearsal(REHEARSAL, fixed)
    if not learned:
        return fixed, without, smaller
    epochs = trainer.spec.training.epochs
    to_beat = halfway_loss(trainer.history[REHEARSAL], epochs)
    whole, larger = rehearsal(LEARNED, features, to_beat)
    finished = len(trainer.history[LEARNED]) == epochs
    if finished and beats(replace(trial, network=whole), replace(trial, network=without), features):
        return features, whole, larger
    return fixed, without, smaller
