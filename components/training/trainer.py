"""Fits the networks of one training task and counts their steps."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from components.config.run import ModelConfig, Part
from components.core.errors import UserError
from components.core.files import write_json
from components.core.progress import Log, Progress, silent, unlogged
from components.core.refs import digest_json
from components.features.store import Features
from components.model import storage
from components.model.network import Model
from components.parts import loading as parts
from components.parts.own import OWN
from components.training.checkpoint import Store
from components.training.consistency import online
from components.training.data import Pseudo, training_data
from components.training.loop import UNDISTURBED, Control, Halfway, fit
from components.training.objective import built
from components.training.spec import TrainSpec


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
        ssl: bool = True,
        halfway: Halfway | None = None,
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
            ssl: whether it learns from unlabelled records online, where the spec says so.
            halfway: whether to go on after half of the epochs.
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
            model = self._fresh(config, features, names)
            fitted = fit(
                model,
                losses,
                data,
                training,
                epochs=training.epochs,
                checkpoints=self.checkpoints,
                key=self._key(name, config, model),
                name=name,
                log=self.log,
                progress=self.progress,
                control=self.control,
                online=online(
                    self.spec.ssl if ssl else None, self.spec.balance, model, data, self.base
                ),
                halfway=halfway,
            )
        self.history[name] = fitted.history
        self.steps += fitted.steps
        self.resumed += fitted.resumed_from
        if out is None:
            return model
        out.mkdir(parents=True, exist_ok=True)
        if weights:
            storage.save(model, out)
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

    def _fresh(self, config: ModelConfig, features: Features, names: tuple[str, ...]) -> Model:
        return storage.build(
            config,
            classes=features.classes,
            specs={name: features.specs[name] for name in names},
            target=features.target_kind,
            target_base=features.path / OWN,
            base=self.base,
        )

    def _key(self, name: str, config: ModelConfig, model: Model) -> str:
        """Key of a model's checkpoints: the spec, its name, its views and the source of its parts.

        In a run the spec's digest is that of the step's key, and covers all of this; outside of
        one it does not cover the source of parts.
        """
        chosen = [("losses", loss) for loss in sorted(self.spec.losses)]
        online = (("ssl", self.spec.ssl), ("balance", self.spec.balance))
        chosen += [(family, part.name) for family, part in online if part is not None]
        sources = [parts.source_digest(family, part, self.base) for family, part in chosen]
        return digest_json(
            [
                self.spec.digest(),
                name,
                model.views,
                parts.source_digest("projectors", config.projector.name, self.base),
                parts.source_digest("fusion", config.fusion.name, self.base),
                *sources,
            ]
        )

    @property
    def base(self) -> Path | None:
        """Folder that a user's own parts are relative to."""
        return Path(self.spec.base) if self.spec.base else None
