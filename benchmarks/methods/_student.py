"""What experiments share: networks fitted to encoded records by the product's own code."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.methods._beds import bed, oracle, truth, wrong  # noqa: F401
from components.config.run import ModelConfig, Part, SslPart, TrainingConfig
from components.evaluation.retrieval import every_pair
from components.features.store import Features
from components.model import storage
from components.model.inference import infer
from components.model.network import Model
from components.model.outputs import Inference
from components.parts.classification import accuracy, macro_f1
from components.training.consistency import online
from components.training.data import Pseudo, training_data
from components.training.loop import fit
from components.training.objective import built

LABELS: dict[str, dict[str, Any]] = {"cross_entropy": {}}
"""Losses of a network that learns from labels alone."""


def fitted(
    features: Features,
    *,
    losses: Mapping[str, Mapping[str, Any]] = LABELS,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    names: Sequence[str] | None = None,
    pseudo: Pseudo | None = None,
    unlabelled: bool | None = None,
    seed: int = 0,
    ssl: Mapping[str, Any] | None = None,
    balance: Mapping[str, Any] | None = None,
    **more: Any,  # noqa: ANN401 - what `components.training.loop.fit` takes
) -> Model:
    """Fit the student as a run does, on the visible labels of the training records.

    Args:
        features: the encoded data set.
        losses: name to options, as in YAML.
        model: options of ``model`` in YAML; a small network by default.
        training: options of ``training`` in YAML.
        names: modalities, all by default.
        pseudo: labels of further records.
        unlabelled: whether records without labels are read; by default if a loss uses them.
        seed: of weights and batches.
        ssl: as in YAML.
        balance: as in YAML.
        more: further arguments of the loop.
    """
    used = tuple(sorted(names or features.names))
    shape = ModelConfig.model_validate({"dim": 64, **(model or {})})
    how = TrainingConfig.model_validate(
        {"epochs": 30, "batch_size": 64, "device": "cpu", "seed": seed, **(training or {})}
    )
    chosen, reads_all = built(losses, len(used), None)
    data = training_data(
        features,
        names=used,
        pseudo=pseudo,
        unlabelled=reads_all if unlabelled is None else unlabelled,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = storage.build(
            shape,
            classes=features.classes,
            specs={name: features.specs[name] for name in used},
            target=features.target_kind,
        )
        beside = online(
            ssl and SslPart.model_validate(ssl),
            balance and Part.model_validate(balance),
            network,
            data,
            None,
        )
        fit(network, chosen, data, how, epochs=how.epochs, online=beside, **more)
    return network


def answers(
    model: Model,
    features: Features,
    rows: NDArray[np.int64],
    present: NDArray[np.bool_] | None = None,
    subset: tuple[str, ...] | None = None,
) -> Inference:
    """What a network says of some records.

    Args:
        model: the network.
        features: the encoded data set.
        rows: which records ``(k,)``.
        present: ``(n, modalities of the model)`` in place of the data set's.
        subset: only these modalities.
    """
    columns = [features.names.index(name) for name in model.names]
    mask = features.present[:, columns] if present is None else present
    return infer(model, features.arrays, mask, rows=rows, subset=subset)


def right(features: Features, rows: NDArray[np.int64], logits: NDArray[np.floating]) -> float:
    """Accuracy of logits ``(k, classes)`` on labelled records; no answer is a wrong one."""
    return accuracy(features.labels[rows], np.nan_to_num(logits, nan=-np.inf).argmax(axis=1))


def f1(features: Features, rows: NDArray[np.int64], logits: NDArray[np.floating]) -> float:
    """Macro-F1 of logits ``(k, classes)`` on labelled records."""
    return macro_f1(features.labels[rows], np.nan_to_num(logits, nan=-np.inf).argmax(axis=1))


def recall(
    model: Model, features: Features, rows: NDArray[np.int64], k: int = 1
) -> dict[str, float]:
    """Recall at ``k`` (1, 5 or 10) of every direction of search, among some records."""
    said = answers(model, features, rows)
    found = every_pair(
        said.embeddings,
        {n: features.present[rows, features.names.index(n)] for n in model.names},
        [features.groups[row] for row in rows],
    )
    return {name: one.recall[k] for name, one in found.items()}
