"""Throughput of the training loop over a minimal PyTorch loop: same model, data, losses.

Once with pictures that a network is trained on, and once on cached views of frozen encoders (the
feature stage: 384, 512 and 1280 numbers). Both loops take the same steps in turns, several times;
the best of each counts, which limits the influence of other work on the machine. Prints one JSON
line each; ``ratio`` is ours over the minimal one (1 is as fast).
"""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._timing import report
from components.config.run import ModelConfig, TrainingConfig
from components.features.modality import build_modality
from components.features.spec import ModalitySpec
from components.model import storage
from components.model.network import Model
from components.parts import loading as parts
from components.training.checkpoint import Folder
from components.training.data import TrainingData
from components.training.loop import fit
from components.training.objective import Loss

RECORDS, CLASSES, ROUNDS = 4096, 20, 4
CONFIG = TrainingConfig(batch_size=128, device="cpu", checkpoint_every=1)
Given = tuple[TrainingData, dict[str, ModalitySpec]]


def pixels(rng: np.random.Generator, records: int = RECORDS) -> Given:
    """Random 32 x 32 grey pictures and 384 text features, all present, all labelled."""
    options: dict[str, dict[str, Any]] = {
        "image": {"encoders": {"name": "cnn", "colour": False}},
        "text": {"encoders": "minilm"},
    }
    arrays = {
        "image/cnn": rng.integers(0, 255, (records, 32, 32, 1)).astype(np.uint8),
        "text/minilm": rng.normal(size=(records, 384)).astype(np.float32),
    }
    return given(options, arrays)


def cached(rng: np.random.Generator, records: int = RECORDS) -> Given:
    """Random vectors of three frozen encoders, all present, all labelled."""
    widths = {"image/lite": 1280, "text/hashing": 512, "text/minilm": 384}
    arrays = {
        view: rng.standard_normal((records, width), np.float32) for view, width in widths.items()
    }
    return given(CACHED, arrays)


CACHED: dict[str, dict[str, Any]] = {
    "image": {"encoders": "lite"},
    "text": {"encoders": ["minilm", {"name": "hashing", "buckets": 512}]},
}


def given(options: Mapping[str, dict[str, Any]], arrays: Mapping[str, np.ndarray]) -> Given:
    """Training data of these views with random labels, and what builds their modalities."""
    every = np.arange(len(next(iter(arrays.values()))))
    found = TrainingData(
        names=tuple(sorted(options)),
        train=every,
        likeliest=None,
        arrays=arrays,
        present=np.ones((len(every), len(options)), bool),
        labels=np.random.default_rng(0).integers(0, CLASSES, len(every)),
        weights=np.ones(len(every), np.float32),
        groups=every,
        contents=np.stack([every] * len(options), axis=1),
        supervised=every,
        unlabelled=every[:0],
    )
    return found, {name: build_modality(name, name, one, {}).spec for name, one in options.items()}


def model(specs: dict[str, ModalitySpec], dropout: float | None = None) -> Model:
    """Fresh weights, with the default dropout or another."""
    torch.manual_seed(0)
    config = ModelConfig() if dropout is None else ModelConfig(dropout=dropout)
    return storage.build(config, classes=[str(c) for c in range(CLASSES)], specs=specs)


def losses() -> dict[str, tuple[float, Loss]]:
    """The two losses of the first recipe."""
    weights = {"cross_entropy": 1.0, "info_nce": 0.1}
    return {
        name: (w, parts.load("losses", name).build(parts.configure("losses", name, {})))
        for name, w in weights.items()
    }


def ours(data: TrainingData, specs: dict[str, ModalitySpec], epochs: int) -> float:
    """Seconds of the real loop, its checkpoints included."""
    fresh, terms = model(specs), losses()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        fit(fresh, terms, data, CONFIG, epochs=epochs, checkpoints=Folder(Path(folder)), key="k")
        return time.perf_counter() - start


def minimal(data: TrainingData, specs: dict[str, ModalitySpec], epochs: int) -> float:
    """Seconds of a loop without masks, checkpoints, figures and progress."""
    fresh, terms = model(specs), losses()
    own = [
        p
        for _, loss in terms.values()
        if isinstance(loss, torch.nn.Module)
        for p in loss.parameters()
    ]
    optimiser = torch.optim.AdamW([*fresh.parameters(), *own], lr=2e-3, fused=True)
    arrays = {view: torch.from_numpy(array) for view, array in data.arrays.items()}
    targets = torch.nn.functional.one_hot(torch.from_numpy(data.labels), CLASSES).float()
    present = torch.ones(CONFIG.batch_size, 2, dtype=torch.bool)
    weights = torch.ones(CONFIG.batch_size)
    fresh.train()
    start = time.perf_counter()
    for _ in range(epochs):
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
    # A step on cached views is short, so that it takes more of them to outweigh the start.
    for name, case, epochs in (
        ("training_loop", pixels, 1),
        ("training_loop_cached", cached, 10),
    ):
        data, specs = case(np.random.default_rng(0))
        minimal(data, specs, 1)
        times = [(ours(data, specs, epochs), minimal(data, specs, epochs)) for _ in range(ROUNDS)]
        best_ours, best_minimal = (min(column) for column in zip(*times, strict=True))
        steps = epochs * RECORDS // CONFIG.batch_size
        ratio = best_minimal / best_ours
        figures = {
            "ratio": ratio,
            "ms_per_step": 1000 * best_ours / steps,
            "ms_per_step_minimal": 1000 * best_minimal / steps,
        }
        report(name, target="ratio >= 0.9", met=ratio >= 0.9, **figures)


if __name__ == "__main__":
    main()
