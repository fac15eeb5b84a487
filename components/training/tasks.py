"""The three training tasks: the teacher, the student that must beat it, and their baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from components.config.run import ModelConfig, Part
from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.core.progress import Log, Progress, silent, unlogged
from components.core.refs import digest_json
from components.features.halves import halves
from components.features.store import Features
from components.model import network as models
from components.model.inference import infer
from components.model.network import Model
from components.parts import loading as parts
from components.parts.own import OWN
from components.training.answering import choose_mix, fit_committee
from components.training.checkpoint import Store
from components.training.data import TrainingData, training_data
from components.training.loop import UNDISTURBED, Control, fit
from components.training.objective import built
from components.training.spec import TrainSpec

Pseudo = Mapping[str, tuple[Any, float]]


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
        alone: str | None = None,
        fusion: Part | None = None,
        out: Path,
    ) -> Model:
        """Fit one model and write its folder.

        Args:
            name: of the model in progress, log and checkpoints.
            pseudo: pseudo-labels; None fits on visible labels only, for ``teacher_epochs``.
            alone: the only modality it may use.
            fusion: in place of the spec's fusion.
            out: folder for the model and ``history.json``.
        """
        config, training = self.spec.model, self.spec.training
        config = config if fusion is None else config.model_copy(update={"fusion": fusion})
        names = (alone,) if alone else tuple(self.features.names)
        losses, reads_all = built(self.spec.losses, len(names), self._base)
        reads_all &= len(names) > 1
        unpredicting = not self.features.target.width
        if unpredicting and not reads_all:
            raise UserError(
                f"{name}: without labels a model learns by aligning modalities alone; got "
                f"{', '.join(names)} and the losses {', '.join(sorted(losses))}, wanted two "
                "modalities and a loss that reads no labels, such as `losses: {info_nce: {}}`"
            )
        data = training_data(
            self.features,
            names=names,
            pseudo=pseudo,
            unlabelled=reads_all and (unpredicting or pseudo is not None),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            model = self._fresh(config, names)
            fitted = fit(
                model,
                losses,
                data,
                training,
                epochs=training.teacher_epochs if pseudo is None else training.epochs,
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
        models.save(model, out)
        summary = {
            "steps": fitted.steps,
            "records": len(data.supervised) + len(data.unlabelled),
            **self.judged(model),
            "epochs": fitted.history,
        }
        write_json(out / "history.json", summary)
        return model

    def judged(self, model: Model) -> dict[str, float | None]:
        """The figure that decides, by its name, such as ``val_accuracy``; nothing without one."""
        primary = self.features.target.primary
        return {} if primary is None else {f"val_{primary}": self.figure(model)}

    def figure(self, model: Model) -> float | None:
        """The target's primary figure on the validation records that choose, or None.

        Only records that the model can answer count.
        """
        target = model.target
        if target.primary is None:
            return None
        data = self._view(model)
        rows = halves(self.features).choose
        rows = rows[data.present[rows].any(axis=1)]
        if not len(rows):
            return None
        found = target.probabilities(infer(model, data.arrays, data.present, rows).logits)
        return target.metrics(self.features.labels[rows], target.answers(found))[target.primary]

    def trainable(self, name: str, pseudo: Pseudo | None) -> bool:
        """Whether any training record has a target and this modality."""
        return len(training_data(self.features, names=(name,), pseudo=pseudo).supervised) > 0

    def _view(self, model: Model) -> TrainingData:
        return training_data(self.features, names=tuple(model.names))

    def _fresh(self, config: ModelConfig, names: tuple[str, ...]) -> Model:
        specs = {name: self.features.specs[name] for name in names}
        return models.build(
            config,
            classes=self.features.classes,
            specs=specs,
            target=self.features.target_kind,
            target_base=self.features.path / OWN,
            base=self._base,
        )

    def _key(self, name: str, config: ModelConfig) -> str:
        """Key of a model's checkpoints: the spec, the model's name and the source of its parts.

        In a run the spec's digest is that of the step's key, and covers all of this; outside of
        one it does not cover the source of parts.
        """
        sources = [
            parts.source_digest("losses", loss, self._base) for loss in sorted(self.spec.losses)
        ]
        return digest_json(
            [
                self.spec.digest(),
                name,
                parts.source_digest("fusion", config.fusion.name, self._base),
                *sources,
            ]
        )

    @property
    def _base(self) -> Path | None:
        return Path(self.spec.base) if self.spec.base else None


def perform(trainer: Trainer, place: Callable[[str], Path], out: Path) -> None:
    """Do the task of a trainer's spec.

    Args:
        trainer: fits its models.
        place: maps the name of an input to its local folder.
        out: an empty folder.
    """
    if trainer.spec.task == "teach":
        teach(trainer, out)
    elif trainer.spec.task == "train":
        train(trainer, teacher=place("teacher"), pseudo=place("pseudo"), out=out)
    else:
        baselines(trainer, student=place("student"), pseudo=place("pseudo"), out=out)


def teach(trainer: Trainer, out: Path) -> None:
    """Fit the teacher on visible labels; ``out`` is its model folder."""
    trainer.model("teacher", pseudo=None, out=out)


def train(trainer: Trainer, *, teacher: Path, pseudo: Path, out: Path) -> None:
    """Fit the student, and keep it only if it beats the teacher on validation records.

    These are the half of the validation split to which nothing was fitted.
    Writes ``model/`` (the kept one), ``student/`` and ``selection.json``. Without a labeller there
    is no student, and the teacher is kept. The kept one also gets a committee, and answers with it
    unless evidence speaks for the network.
    """
    old = models.load(teacher)
    before = trainer.figure(old)
    labels = read_pseudo(pseudo)
    selection: dict[str, object] = {
        "kept": "teacher",
        "student": None,
        "teacher": trainer.judged(old),
        "records": len(halves(trainer.features).choose),
    }
    if labels is not None:
        student = trainer.model("student", pseudo=labels, out=out / "student")
        after = trainer.figure(student)
        selection["student"] = trainer.judged(student)
        if after is not None and before is not None and after > before:
            selection["kept"] = "student"
    kept = out / "student" if selection["kept"] == "student" else teacher
    model = models.load(kept)
    committee = fit_committee(model, trainer.features, trainer.spec.training.seed, trainer.progress)
    if committee is not None:
        selection["committee"] = committee
        selection["answers"] = choose_mix(model, trainer.features)
    models.save(model, out / "model")
    write_json(out / "selection.json", selection)


def baselines(trainer: Trainer, *, student: Path, pseudo: Path, out: Path) -> None:
    """Fit one model for each modality alone, and one with plain concatenation.

    The latter is left out where concatenation is the chosen fusion. Targets and epochs are those of
    the model that ``train`` kept. Writes a model folder for each and ``baselines.json``.
    """
    kept = read_json(student / "selection.json")["kept"]
    labels = read_pseudo(pseudo) if kept == "student" else None
    found: dict[str, Mapping[str, object]] = {}
    for name in trainer.features.names if len(trainer.features.names) > 1 else []:
        if not trainer.trainable(name, labels):
            found[f"only-{name}"] = {"skipped": f"no training record has both a target and {name}"}
            continue
        model = trainer.model(f"only-{name}", pseudo=labels, alone=name, out=out / f"only-{name}")
        found[f"only-{name}"] = trainer.judged(model)
    # Without classes the fusion is a mean, whatever it is called.
    several = len(trainer.features.names) > 1 and trainer.features.target.width > 0
    if trainer.spec.model.fusion.name != "concat" and several:
        model = trainer.model(
            "concat", pseudo=labels, fusion=Part(name="concat"), out=out / "concat"
        )
        found["concat"] = trainer.judged(model)
    write_json(out / "baselines.json", {"targets": kept, "models": found})


def read_pseudo(folder: Path) -> Pseudo | None:
    """Accepted pseudo-labels and their weights by record id; None without a labeller."""
    if read_json(folder / "summary.json")["labeller"] is None:
        return None
    table = pq.read_table(
        folder / "pseudo.parquet", columns=["id", "label", "confidence", "accepted"]
    )
    rows = zip(
        *(table[c].to_pylist() for c in ("id", "label", "confidence", "accepted")), strict=True
    )
    return {i: (label, confidence) for i, label, confidence, accepted in rows if accepted}
