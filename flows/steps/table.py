"""The step table: every box left of the double line, in order; nothing else knows the order."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from components.config.run import RunConfig
from components.data.manifest import Manifest
from components.features.spec import ENCODING
from components.parts import loading as parts
from components.parts.linear import HEADS
from flows.steps import work
from flows.steps.step import Step
from serving import bento

T = TypeVar("T")
_ARRAYS = ("numpy", "pyarrow")
_TORCH = (*_ARRAYS, "safetensors", "torch")
_LOCAL_TRAINING = ("device", "checkpoint_every")
"""Options of ``training`` that change no result."""


def steps_for(config: RunConfig, manifest: Manifest, base: Path | None = None) -> tuple[Step, ...]:
    """The steps of a configuration, in the order in which they run.

    Args:
        config: the run's configuration.
        manifest: that of the data set; it names the kind of each modality.
        base: folder that a user's own files are relative to.
    """
    kinds, model, losses = _kinds(manifest), _model(config), _losses(config)
    encoders = _encoders(config, manifest, base)
    target = ("targets", manifest.target.kind)
    views = _unique(*kinds, *encoders, target)
    # Fitting reads features and networks; a kind's own code shapes it through the features alone.
    network = _unique(*encoders, *model, target)
    light = tuple(("heads", name) for name in HEADS)
    return (
        Step(
            name="validate",
            version=3,  # 2: the manifest names the type of raw values; 3: one rule reads values
            inputs={"data": "data"},
            config={
                "labels": config.data.labels and config.data.labels.model_dump(),
                "modalities": config.modalities,
                "reads_validation": config.reads_validation,
            },
            chosen=kinds,
            libraries=_unique(
                "great-expectations", "numpy", "pandas", "pyarrow", *_libraries(kinds, base)
            ),
            work=work.validate,
            volatile=("data_docs",),
        ),
        Step(
            name="encode",
            version=ENCODING,
            inputs={"accepted": "validate", "data": "data"},
            config={"modalities": config.modalities},
            chosen=views,
            libraries=_unique(*_ARRAYS, *_libraries(views, base)),
            work=work.encode,
            divided=True,
        ),
        Step(
            name="teach",
            version=11,  # 10: heads are left out for size; 11: a seat for each subset of modalities
            inputs={"features": "encode"},
            config={
                "model": config.model.model_dump(mode="json"),
                "seed": config.training.seed,
            },
            chosen=(*network, *light),
            libraries=(*_TORCH, "scipy"),
            work=work.teach,
        ),
        Step(
            name="pseudo_label",
            version=9,  # 8: seats, rounds kept beyond chance; 9: no shift without a label
            inputs={"features": "encode", "teacher": "teach"},
            config={"labeller": _labeller(config)},
            chosen=(*network, *light, *_labellers(config)),
            libraries=(*_TORCH, "scipy", "faiss-cpu"),
            work=work.pseudo_label,
        ),
        Step(
            name="train",
            version=16,  # 15: held-out losses are told; 16: a class's only record tells none
            inputs={"features": "encode", "pseudo": "pseudo_label"},
            config=_training(config),
            chosen=(*network, *losses, *light),
            libraries=(*_TORCH, "scipy"),
            work=work.train,
            task="train",
        ),
        Step(
            name="baselines",
            version=17,  # 16: singles are judged on all records; 17: histories of all networks
            inputs={"features": "encode", "pseudo": "pseudo_label"},
            config=_training(config),
            chosen=_unique(*network, ("fusion", "concat"), *losses, *light),
            libraries=(*_TORCH, "scipy", "faiss-cpu"),
            work=work.train,
            task="baselines",
        ),
        Step(
            name="evaluate",
            version=11,  # 10: short numbers in the report; 11: one student without labeller
            inputs={
                "accepted": "validate",
                "features": "encode",
                "teacher": "teach",
                "pseudo": "pseudo_label",
                "train": "train",
                "baselines": "baselines",
            },
            config={"evaluation": config.evaluation.model_dump()},
            chosen=_unique(*views, *model, ("fusion", "concat")),
            libraries=(*_TORCH, "scipy", "jinja2"),
            work=work.evaluate,
        ),
        Step(
            name="package",
            version=12,  # 11: InfoNCE weighs 1; 12: a model has seats
            inputs={"features": "encode", "train": "train", "evaluation": "evaluate"},
            config=_kept(config),
            chosen=(*views, *model),
            libraries=_unique(*_TORCH, "bentoml", *bento.LIBRARIES, *_libraries(views, base)),
            code=bento.code_digest(),
            work=work.package,
        ),
    )


def _kinds(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    return _unique(*(("kinds", m.kind) for _, m in sorted(manifest.modalities.items())))


def _model(config: RunConfig) -> tuple[tuple[str, str], ...]:
    return (("fusion", config.model.fusion.name),)


def _losses(config: RunConfig) -> tuple[tuple[str, str], ...]:
    return tuple(("losses", name) for name in sorted(config.losses))


def _labellers(config: RunConfig) -> tuple[tuple[str, str], ...]:
    return (("labellers", config.labeller.name),) if config.labeller else ()


def _encoders(
    config: RunConfig, manifest: Manifest, base: Path | None
) -> tuple[tuple[str, str], ...]:
    """The encoders of all views: those of the configuration, else those that a kind names."""
    found = []
    for name, modality in sorted(manifest.modalities.items()):
        options = config.modalities.get(name, {})
        _, chosen = parts.modality_options(modality.kind, options, base)
        found += [("encoders", encoder) for encoder, _ in chosen]
    return _unique(*found)


def _libraries(chosen: Iterable[tuple[str, str]], base: Path | None) -> tuple[str, ...]:
    """The distributions that kinds and encoders name."""
    return tuple(
        library
        for family, name in chosen
        for library in getattr(parts.load(family, name, base), "LIBRARIES", ())
    )


def _unique(*chosen: T) -> tuple[T, ...]:
    return tuple(dict.fromkeys(chosen))


def _labeller(config: RunConfig) -> dict[str, Any] | None:
    return config.labeller.model_dump(mode="json") if config.labeller else None


def _training(config: RunConfig) -> dict[str, Any]:
    """Model, losses and training, without what changes no result of the step."""
    tree = config.model_dump(mode="json", include={"model", "losses", "training"})
    for name in _LOCAL_TRAINING:
        del tree["training"][name]
    return tree


def _kept(config: RunConfig) -> dict[str, Any]:
    """What a package keeps of the configuration (see ``components.prediction.package``)."""
    return {
        "name": config.name,
        "modalities": config.modalities,
        "labeller": _labeller(config),
        "serving": config.serving.model_dump(mode="json"),
        **_training(config),
    }
