"""The steps from features to a model, on a small data set: teach, pseudo-label, train."""

from pathlib import Path
from typing import Any

from components.config.run import ModelConfig, Part, TrainingConfig
from components.core.refs import Ref, digest_folder
from components.features.store import Features
from components.model.network import Model
from components.training import teaching
from components.training.light import light_views, put_into
from components.training.pseudo_label import pseudo_label
from components.training.remember import remember
from components.training.run import run
from components.training.selection import held_out_by_folds
from components.training.spec import TrainSpec
from components.training.taught import Taught

MODEL = ModelConfig(dim=16, fusion=Part(name="gated"))
SOFT = Part(name="soft")
SHORT: dict[str, Any] = {"batch_size": 32, "epochs": 2, "learning_rate": 4e-3, "device": "cpu"}


def ref(path: Path) -> Ref:
    return Ref(uri=str(path), digest=digest_folder(path))


def spec(features: Path, task: str, pseudo: Path | None = None, **training: Any) -> TrainSpec:
    return TrainSpec.model_validate(
        {
            "task": task,
            "features": ref(features),
            "pseudo": None if pseudo is None else ref(pseudo),
            "model": MODEL,
            "losses": {"cross_entropy": {}, "info_nce": {"weight": 0.1}},
            "training": SHORT | training,
        }
    )


def teach(features: Path, out: Path) -> Path:
    out.mkdir()
    training = TrainingConfig.model_validate(SHORT)
    teaching.teach(features=features, model=MODEL, training=training, base=None, out=out)
    return out


def label(features: Path, teacher: Path, out: Path, labeller: Part | None = SOFT) -> Path:
    out.mkdir()
    pseudo_label(features=features, teacher=teacher, labeller=labeller, base=None, out=out)
    return out


def train(
    features: Path,
    pseudo: Path | None,
    out: Path,
    task: str = "train",
    **training: Any,
) -> Path:
    out.mkdir()
    run(spec(features, task, pseudo, **training), out=out)
    return out


def learn(features: Path, root: Path, labeller: Part | None = SOFT, **training: Any) -> Path:
    """Write ``teacher``, ``pseudo`` and ``train`` into a folder."""
    teach(features, root / "teacher")
    label(features, root / "teacher", root / "pseudo", labeller)
    train(features, root / "pseudo", root / "train", **training)
    return root


def with_committee(model: Model, features: Features) -> None:
    """Fit a committee to the visible labels and put it, and what it remembers, into a model."""
    found = teaching.teach_committee(model, features, 0)
    assert isinstance(found, Taught)
    views = light_views(model, features, found.made, found.labelled.rows)
    held_out = held_out_by_folds(found, views)(features.names)
    put_into(model, found.made, found.committee)
    remember(model, features, found.labelled, held_out)
