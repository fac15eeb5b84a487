"""The step table: every box left of the double line, in order; nothing else knows the order."""

from pathlib import Path
from typing import Any

from components.config.run import RunConfig
from components.data.manifest import Manifest
from components.features.spec import ENCODING
from flows.steps import work
from flows.steps.chosen import Chosen, unique
from flows.steps.step import Step
from serving import bento, served

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
    chosen = Chosen.of(config, manifest, base)
    return (
        _validate(config, chosen),
        _encode(config, chosen),
        *([_triplets(config)] if config.composer else []),
        _teach(config, chosen),
        _pseudo_label(config, chosen),
        _train(config, chosen),
        *([_compose(config, chosen)] if config.composer else []),
        _baselines(config, chosen),
        _evaluate(config, chosen),
        _package(config, chosen),
    )


def _validate(config: RunConfig, chosen: Chosen) -> Step:
    validator = ("great-expectations", "numpy", "pandas", "pyarrow")
    return Step(
        name="validate",
        version=4,  # 3: one rule reads values; 4: columns that a split lacks are told
        inputs={"data": "data"},
        config={
            "labels": config.data.labels and config.data.labels.model_dump(),
            "modalities": config.modalities,
            "reads_validation": config.reads_validation,
        },
        chosen=chosen.kinds,
        libraries=unique((*validator, *chosen.libraries(chosen.kinds))),
        work=work.validate,
        volatile=("data_docs",),
    )


def _encode(config: RunConfig, chosen: Chosen) -> Step:
    return Step(
        name="encode",
        version=ENCODING,
        inputs={"accepted": "validate", "data": "data"},
        config={"modalities": config.modalities},
        chosen=chosen.views,
        libraries=unique((*_ARRAYS, *chosen.libraries(chosen.views))),
        work=work.encode,
        divided=True,
    )


def _triplets(config: RunConfig) -> Step:
    """Before anything is trained, since a data set without triplets is refused."""
    return Step(
        name="triplets",
        version=1,
        inputs={"features": "encode"},
        config=_composing(config),
        libraries=_ARRAYS,
        work=work.triplets,
    )


def _compose(config: RunConfig, chosen: Chosen) -> Step:
    return Step(
        name="compose",
        version=1,
        inputs={"features": "encode", "triplets": "triplets", "train": "train"},
        config=_composing(config),
        chosen=(*chosen.network, ("losses", "info_nce")),
        libraries=_TORCH,
        work=work.compose,
    )


def _teach(config: RunConfig, chosen: Chosen) -> Step:
    return Step(
        name="teach",
        version=17,  # 16: common contents part no folds; 17: of sets, answers beyond the prior
        inputs={"features": "encode"},
        config={
            "model": config.model.model_dump(mode="json"),
            "seed": config.training.seed,
        },
        chosen=(*chosen.network, *chosen.heads),
        libraries=(*_TORCH, "scipy"),
        work=work.teach,
    )


def _pseudo_label(config: RunConfig, chosen: Chosen) -> Step:
    return Step(
        name="pseudo_label",
        version=15,  # 14: the usual spread; 15: of sets, soft pseudo-labels
        inputs={"features": "encode", "teacher": "teach"},
        config={"labeller": _labeller(config)},
        chosen=(*chosen.network, *chosen.heads, *chosen.labellers),
        libraries=(*_TORCH, "scipy", "faiss-cpu"),
        work=work.pseudo_label,
    )


def _train(config: RunConfig, chosen: Chosen) -> Step:
    return Step(
        name="train",
        version=26,  # 25: of sets, the network has a share; 26: half of a rehearsal may suffice
        inputs={"features": "encode", "pseudo": "pseudo_label"},
        config=_training(config),
        chosen=(*chosen.network, *chosen.losses, *chosen.online, *chosen.heads),
        libraries=(*_TORCH, "scipy"),
        work=work.train,
        task="train",
    )


def _baselines(config: RunConfig, chosen: Chosen) -> Step:
    return Step(
        name="baselines",
        version=23,  # 22: the usual spread; 23: of sets, what heads say beyond the prior
        inputs={"features": "encode", "pseudo": "pseudo_label", "trained": "train"},
        config=_training(config),
        chosen=unique(
            (*chosen.network, ("fusion", "concat"), *chosen.losses, *chosen.online, *chosen.heads),
        ),
        libraries=(*_TORCH, "scipy", "faiss-cpu"),
        work=work.train,
        task="baselines",
    )


def _evaluate(config: RunConfig, chosen: Chosen) -> Step:
    return Step(
        name="evaluate",
        version=20,  # 19: ties of single modalities; 20: shares of committee and student are named
        inputs={
            "accepted": "validate",
            "features": "encode",
            "teacher": "teach",
            "pseudo": "pseudo_label",
            "train": "train",
            "baselines": "baselines",
            **_composer(config),
        },
        config={"evaluation": config.evaluation.model_dump()},
        chosen=unique((*chosen.views, *chosen.projector, *chosen.fusion, ("fusion", "concat"))),
        libraries=(*_TORCH, "scipy", "jinja2"),
        work=work.evaluate,
    )


def _package(config: RunConfig, chosen: Chosen) -> Step:
    carried = (*bento.LIBRARIES, *chosen.libraries(chosen.views))
    return Step(
        name="package",
        version=20,  # 19: distances of kept records; 20: the index that was asked for
        inputs={
            "features": "encode",
            "train": "train",
            "evaluation": "evaluate",
            **_composer(config),
        },
        config=_kept(config),
        chosen=(*chosen.views, *chosen.projector, *chosen.fusion),
        libraries=unique((*_TORCH, "bentoml", "faiss-cpu", *carried)),
        code=served.code_digest(),
        work=work.package,
    )


def _composing(config: RunConfig) -> dict[str, Any]:
    assert config.composer is not None
    return {"composer": config.composer.model_dump(mode="json"), "seed": config.training.seed}


def _composer(config: RunConfig) -> dict[str, str]:
    """The composer as an input, where one is wanted."""
    return {"composer": "compose"} if config.composer else {}


def _labeller(config: RunConfig) -> dict[str, Any] | None:
    return config.labeller.model_dump(mode="json") if config.labeller else None


def _training(config: RunConfig) -> dict[str, Any]:
    """Model, losses and training, without what changes no result of the step."""
    used = {name for name in ("ssl", "balance") if getattr(config, name) is not None}
    tree = config.model_dump(mode="json", include={"model", "losses", "training", *used})
    for name in _LOCAL_TRAINING:
        del tree["training"][name]
    return tree


def _kept(config: RunConfig) -> dict[str, Any]:
    """What a package keeps of the configuration (see ``components.prediction.package``)."""
    return {
        "name": config.name,
        "modalities": config.modalities,
        "labeller": _labeller(config),
        "index": config.index and config.index.model_dump(mode="json"),
        "serving": config.serving.model_dump(mode="json"),
        **({"composer": config.composer.model_dump(mode="json")} if config.composer else {}),
        **_training(config),
    }
