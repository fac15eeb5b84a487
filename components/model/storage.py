"""Builds a new model, and keeps a model as a folder: weights, description and own parts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from components.config.run import ModelConfig
from components.core.files import write_json
from components.features.modality import rebuilt
from components.features.spec import ModalitySpec, carry_own
from components.features.target import build_target
from components.model.description import (
    DESCRIPTION,
    WEIGHTS,
    described,
    no_model,
    read_description,
)
from components.model.formats import todays_weights
from components.model.listing import check_code
from components.model.network import Model
from components.model.reference import Reference
from components.parts import loading as parts
from components.parts.contracts import is_sparse
from components.parts.network import ViewNetwork
from components.parts.own import OWN


def build(
    config: ModelConfig,
    *,
    classes: Sequence[str],
    specs: Mapping[str, ModalitySpec],
    target: str = "single",
    target_base: Path | None = None,
    base: Path | None = None,
) -> Model:
    """A new model with fresh weights drawn from torch's global generator.

    Args:
        config: shape of the model.
        classes: class names.
        specs: modality name to its description, from a features folder or a model folder.
        target: what is predicted.
        target_base: folder that a user's own target is relative to.
        base: folder that the user's own projector and fusion are relative to.
    """
    names = tuple(sorted(specs))
    name = config.fusion.name
    options = parts.configure("fusion", name, config.fusion.options, base)
    fusion = parts.load("fusion", name, base).build(
        options, names=names, dim=config.dim, dropout=config.dropout
    )
    encoders = {
        view: encoder.network()
        for n in names
        for view, encoder in rebuilt(n, specs[n]).encoders.items()
        if not is_sparse(encoder)
    }
    return Model(
        config=config,
        target=build_target(target, classes, target_base),
        target_kind=target,
        target_base=target_base,
        specs=specs,
        encoders=encoders,
        projectors=_projectors(config, specs, encoders, base),
        fusion=fusion,
        base=base,
    )


def _projectors(
    config: ModelConfig,
    specs: Mapping[str, ModalitySpec],
    encoders: Mapping[str, ViewNetwork],
    base: Path | None,
) -> dict[str, nn.Module]:
    """A new projector for each modality, in the order of their names."""
    name = config.projector.name
    options = parts.configure("projectors", name, config.projector.options, base)
    part = parts.load("projectors", name, base)
    widths = {n: sum(encoders[view].out_dim for view in specs[n].dense(n)) for n in sorted(specs)}
    return {n: part.build(options, width=widths[n], dim=config.dim) for n in sorted(specs)}


def save(model: Model, folder: Path) -> None:
    """Write ``weights.safetensors``, ``model.json``, records to compare with, and own parts."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [("projectors", model.config.projector.name), ("fusion", model.config.fusion.name)]
    parts.carry(chosen, model.base, folder / OWN)
    parts.carry([("targets", model.target_kind)], model.target_base, folder / OWN)
    carry_own(model.specs.values(), folder)
    if model.reference is not None:
        model.reference.save(folder)
    save_file(
        {k: v.detach().contiguous().cpu() for k, v in model.state_dict().items()}, folder / WEIGHTS
    )
    description = {
        **described(model.config),
        "mix": asdict(model.mix),
        "target": model.target_kind,
        "classes": model.classes,
        "modalities": {name: model.specs[name].to_json() for name in model.names},
    }
    write_json(folder / DESCRIPTION, description)


def load(folder: Path) -> Model:
    """Read a model folder, in evaluation mode on the CPU.

    Raises:
        UserError: not a model folder, or one of a newer format; its modalities now decode
            differently; or code in it is a link or differs from a package's list.
    """
    check_code(folder)
    found = read_description(folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except OSError as error:
        raise no_model(folder, error) from error
    with torch.random.fork_rng(devices=[]):
        model = build(
            found.config,
            classes=found.classes,
            specs=found.specs,
            target=found.target,
            target_base=found.base,
            base=found.base,
        )
    weights = todays_weights(weights, found.made, found.specs, model.state_dict())
    model.load_state_dict(weights)
    model.mix = found.mix
    model.reference = Reference.load(folder)
    return model.eval()
