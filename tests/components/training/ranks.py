"""One rank of a small world: ``python -m tests.components.training.ranks FEATURES OUT``.

It runs in torchrun's environment and writes the figures and weights of each training run to
``OUT/<name>-<rank>.safetensors``; the same functions give the results of one device.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from components.config.run import ModelConfig, Part, SslPart, TrainingConfig
from components.features.store import Features
from components.model import storage
from components.model.inference import infer
from components.parts import loading as parts
from components.parts.losses.info_nce import InfoNCE
from components.parts.network import Likeness, ModelOutput
from components.training.consistency import online
from components.training.data import training_data
from components.training.distributed import ALONE, World, joined
from components.training.loop import Control, fit

CONFIG = TrainingConfig(learning_rate=3e-3, seed=3, device="cpu", modality_dropout=0.3)
ROWS = 7


def trained(
    features,
    world=ALONE,
    fusion="gated",
    losses=("cross_entropy", "info_nce"),
    thin=None,
    epochs=2,
    batch_size=26,
    draws=False,
    seed=3,
    ssl=None,
    balance=None,
):
    """Losses, weights and logits of a training run.

    Args:
        features: what to learn from.
        world: the processes that train together.
        fusion: name of the part.
        losses: names of the parts.
        thin: share of the pictures that is left.
        epochs: passes over the data.
        batch_size: rows of a batch.
        draws: whether encoders and model draw for their own rows: dropout, augmentation.
        seed: of the order, the hidden modalities and the draws.
        ssl: as in YAML.
        balance: as in YAML.
    """
    dropout = 0.2 if draws else 0.0
    torch.manual_seed(5)
    model = storage.build(
        ModelConfig(dim=16, dropout=dropout, fusion=Part(name=fusion)),
        classes=features.classes,
        specs={name: _dropping(spec, dropout) for name, spec in features.specs.items()},
    )
    data = training_data(features, unlabelled=True)
    if thin is not None:
        data = _thinned(data, features.names.index("image"), thin)
    chosen = (
        SslPart.model_validate(ssl) if ssl else None,
        Part.model_validate(balance) if balance else None,
    )
    fitted = fit(
        model,
        _built(losses),
        data,
        CONFIG.model_copy(update={"batch_size": batch_size, "augment": draws, "seed": seed}),
        epochs=epochs,
        control=Control(world=world),
        online=online(*chosen, model, data, None),
    )
    answered = infer(model, features.arrays, features.present, features.rows("val"))
    return {
        **{f"weights/{name}": tensor for name, tensor in model.state_dict().items()},
        "losses": torch.tensor([list(epoch.values()) for epoch in fitted.history]),
        "logits": torch.from_numpy(answered.logits).nan_to_num(),
    }


def _dropping(spec, dropout):
    """The modality's spec, with this dropout in the encoders that have any."""
    views = tuple(
        dataclasses.replace(view, options={**view.options, "dropout": dropout})
        if "dropout" in view.options
        else view
        for view in spec.views
    )
    return dataclasses.replace(spec, views=views)


def _built(losses):
    return {
        name: (0.7, parts.load("losses", name).build(parts.configure("losses", name, {})))
        for name in losses
    }


def _thinned(data, column, share):
    """The data without most values of one modality, nor records that have no other."""
    present = data.present.copy()
    present[:, column] &= np.random.default_rng(0).random(len(present)) < share
    keep = present.any(axis=1)
    return dataclasses.replace(
        data,
        present=present,
        supervised=data.supervised[keep[data.supervised]],
        unlabelled=data.unlabelled[keep[data.unlabelled]],
    )


def contrasted(world: World = ALONE):
    """A contrastive loss over a sharded batch, with the gradients of parts and temperature."""
    torch.manual_seed(0)
    values = {name: torch.randn(ROWS, 4) for name in ("a", "b")}
    present = torch.tensor([[True, True]] * (ROWS - 1) + [[True, False]])
    start, stop = world.bounds(ROWS)
    own = {name: value[start:stop].clone().requires_grad_() for name, value in values.items()}
    zeros = torch.zeros(stop - start, 2)
    output = ModelOutput(
        logits=zeros,
        modality_logits={},
        embeddings={n: v.sin() for n, v in own.items()},
        fused=zeros,
    )
    loss = InfoNCE(0.5)
    groups = torch.arange(ROWS) // 2  # pairs, also across ranks
    alike = Likeness(groups=groups, contents=torch.arange(2 * ROWS).reshape(ROWS, 2))
    value = loss(world.gathered(output, ROWS), zeros, zeros, present, alike)
    value.backward()
    assert loss.log_scale.grad is not None
    # Only this rank has these rows, and a mean over ranks follows.
    gradients = {name: part.grad / world.size for name, part in own.items()}
    return {"value": value.detach()[None], "temperature": loss.log_scale.grad[None], **gradients}


STILL = {"noise": 0.0, "drop": 0.0, "mix": 0.0, "threshold": 0.5}
"""Views without draws for a rank's own rows; modalities are hidden by common draws."""
TRAININGS = {
    "all": {},
    "scarce": {"thin": 0.06, "fusion": "concat"},
    "filled in": {
        "fusion": "predicted",
        "losses": ("completion", "cross_entropy"),
        "thin": 0.5,
        "epochs": 1,
    },
    "agreeing": {"fusion": "similarity", "epochs": 2},
    "absent": {"thin": 0.0, "epochs": 1},
    "fewer rows than ranks": {"batch_size": 2, "epochs": 1},
    "contrast-only": {"losses": ("info_nce",), "epochs": 1},
    "neighbourhoods": {"losses": ("info_nce", "neighbourhood", "sdm"), "epochs": 1},
    "own draws": {"draws": True, "epochs": 8},
    "ssl": {"ssl": {**STILL, "name": "flexmatch", "decay": 0.9}, "balance": "feature_drop"},
    "momentum": {"ssl": "momentum_teacher", "balance": "gradient_modulation"},
}


def main(features: Path, out: Path) -> None:
    torch.set_num_threads(1)
    opened = Features.load(features)
    with joined("cpu") as world:
        results = {name: trained(opened, world, **options) for name, options in TRAININGS.items()}
        results["contrasted"] = contrasted(world)
        assert world.any(world.rank == world.size - 1)
        assert not world.any(False)
        assert world.first(0.1 + world.rank) == 0.1
        assert world.broadcast(b"x" if world.rank == 0 else None) == b"x"
        assert world.broadcast(None) is None
        for name, tensors in results.items():
            save_file(
                {k: v.contiguous() for k, v in tensors.items()},
                out / f"{name}-{world.rank}.safetensors",
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
