"""Throughput of the training loop over a minimal PyTorch loop: same model, data, losses.

Both take the same steps in turns, several times; the best of each counts, which limits the
influence of other work on the machine. Prints one JSON line; ``ratio`` is ours over the minimal one
(1 is as fast).
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._timing import report
from components.config.run import ModelConfig, TrainingConfig
from components.features.spec import ModalitySpec, build_modality
from components.model import network as models
from components.model.network import Model
from components.parts import loading as parts
from components.training.checkpoint import Folder
from components.training.data import TrainingData
from components.training.loop import fit
from components.training.objective import Loss

RECORDS, CLASSES, ROUNDS, EPOCHS = 4096, 20, 4, 1
CONFIG = TrainingConfig(batch_size=128, device="cpu", checkpoint_every=1)


def data(rng: np.random.Generator) -> tuple[TrainingData, dict[str, ModalitySpec]]:
    """Random 32 x 32 grey pictures and 384 text features, all present, all labelled."""
    options: dict[str, dict[str, Any]] = {
        "image": {"encoders": {"name": "cnn", "colour": False}},
        "text": {"encoders": "minilm"},
    }
    specs = {name: build_modality(name, name, given, {}).spec for name, given in options.items()}
    every = np.arange(RECORDS)
    found = TrainingData(
        names=("image", "text"),
        arrays={
            "image/cnn": rng.integers(0, 255, (RECORDS, 32, 32, 1)).astype(np.uint8),
            "text/minilm": rng.normal(size=(RECORDS, 384)).astype(np.float32),
        },
        present=np.ones((RECORDS, 2), bool),
        labels=rng.integers(0, CLASSES, RECORDS),
        weights=np.ones(RECORDS, np.float32),
        groups=every,
        contents=np.stack([every, every], axis=1),
        supervised=every,
        unlabelled=every[:0],
    )
    return found, specs


def model(specs: dict[str, ModalitySpec]) -> Model:
    """Fresh weights."""
    torch.manual_seed(0)
    return models.build(ModelConfig(), classes=[str(c) for c in range(CLASSES)], specs=specs)


def losses() -> dict[str, tuple[float, Loss]]:
    """The two losses of the first recipe."""
    weights = {"cross_entropy": 1.0, "info_nce": 0.1}
    return {
        name: (w, parts.load("losses", name).build(parts.configure("losses", name, {})))
        for name, w in weights.items()
    }


def ours(given: TrainingData, specs: dict[str, ModalitySpec]) -> float:
    """Seconds of the real loop, its checkpoints included."""
    fresh, terms = model(specs), losses()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        fit(fresh, terms, given, CONFIG, epochs=EPOCHS, checkpoints=Folder(Path(folder)), key="k")
        return time.perf_counter() - start


def minimal(given: TrainingData, specs: dict[str, ModalitySpec]) -> float:
    """Seconds of a loop without masks, checkpoints, figures and progress."""
    fresh, terms = model(specs), losses()
    own = [
        p
        for _, loss in terms.values()
        if isinstance(loss, torch.nn.Module)
        for p in loss.parameters()
    ]
    optimiser = torch.optim.AdamW([*fresh.parameters(), *own], lr=2e-3, fused=True)
    arrays = {view: torch.from_numpy(array) for view, array in given.arrays.items()}
    targets = torch.nn.functional.one_hot(torch.from_numpy(given.labels), CLASSES).float()
    present = torch.ones(CONFIG.batch_size, 2, dtype=torch.bool)
    weights = torch.ones(CONFIG.batch_size)
    fresh.train()
    start = time.perf_counter()
    for _ in range(EPOCHS):
        for rows in torch.randperm(RECORDS).split(CONFIG.batch_size):
            inputs = fresh.augment({view: array[rows] for view, array in arrays.items()})
            output = fresh(inputs, present)
            loss = sum(
                weight * term(output, targets[rows], weights, present)
                for weight, term in terms.values()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    given, specs = data(np.random.default_rng(0))
    minimal(given, specs)
    times = [(ours(given, specs), minimal(given, specs)) for _ in range(ROUNDS)]
    best_ours, best_minimal = (min(column) for column in zip(*times, strict=True))
    steps = EPOCHS * RECORDS // CONFIG.batch_size
    ratio = best_minimal / best_ours
    figures = {
        "ratio": ratio,
        "ms_per_step": 1000 * best_ours / steps,
        "ms_per_step_minimal": 1000 * best_minimal / steps,
    }
    report("training_loop", target="ratio >= 0.9", met=ratio >= 0.9, **figures)


if __name__ == "__main__":
    main()
