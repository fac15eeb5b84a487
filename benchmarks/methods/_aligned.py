"""What experiments of alignment share: beds with fewer pairs, and how well modalities meet."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benchmarks.methods._beds import bed
from benchmarks.methods._claim import Figures
from benchmarks.methods._real import encoded
from benchmarks.methods._student import answers, fitted, recall
from components.evaluation.retrieval import every_pair
from components.features.store import Features
from components.model.network import Model
from components.parts.classification import accuracy, macro_f1
from components.parts.network import Inputs

BED = "pair: 32 numbers of each modality, noise 0.4, 90% of the variance within a class shared"
CONTRAST: dict[str, dict[str, Any]] = {"info_nce": {}}
ON = "dcss-monsters: recall@10, mean of both directions between picture and text"


def pair(seed: int, records: int, **knobs: Any) -> Features:  # noqa: ANN401
    """The bed of these experiments; 60% of the records are for training, 30% for tests."""
    return bed("pair", seed, records=records, **{"noise": 0.4, "shared": 0.9, **knobs})


def with_pairs(features: Features, count: int) -> Features:
    """The same records, of which only the first so many are trained on."""
    splits = features.splits.astype("<U8")
    splits[features.rows("train")[count:]] = "unused"
    return replace(features, splits=splits)


def steps(count: int, batch: int, pairs: int) -> dict[str, Any]:
    """Training of about so many steps, whatever the size of a batch."""
    return {"batch_size": batch, "epochs": max(1, round(count * batch / pairs))}


def across(model: Model, features: Features, k: int = 1) -> float:
    """Recall at ``k`` among the test records, the mean of all directions of search."""
    return float(np.mean(list(recall(model, features, features.rows("test"), k).values())))


def vectors(model: Model, features: Features, split: str) -> dict[str, NDArray[np.float32]]:
    """Modality name to unit vectors ``(k, dim)`` of the records of a split."""
    return dict(answers(model, features, features.rows(split)).embeddings)


def zero_shot(model: Model, features: Features) -> float:
    """Accuracy of the nearest class, where a class is the mean of another modality's vectors."""
    train, test = features.rows("train", labelled=True), features.rows("test")
    known = answers(model, features, train).embeddings
    asked = answers(model, features, test).embeddings
    found = []
    for name in known:
        means = np.stack(
            [
                known[name][features.labels[train] == code].mean(axis=0)
                for code in range(len(features.classes))
            ]
        )
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        found += [
            accuracy(features.labels[test], (asked[other] @ means.T).argmax(axis=1))
            for other in asked
            if other != name
        ]
    return float(np.mean(found))


def by_class(model: Model, features: Features) -> float:
    """How often the nearest test record of another modality has the query's class."""
    rows = features.rows("test")
    has = {n: np.ones(len(rows), np.bool_) for n in model.names}
    groups = [str(label) for label in features.labels[rows]]
    found = every_pair(vectors(model, features, "test"), has, groups)
    return float(np.mean([one.recall[1] for one in found.values()]))


def probe_f1(model: Model, features: Features) -> float:
    """Macro-F1 of a logistic regression on the vectors of all modalities side by side."""
    train, test = (np.hstack(list(vectors(model, features, s).values())) for s in ("train", "test"))
    seen, asked = features.rows("train", labelled=True), features.rows("test")
    rows = np.isin(features.rows("train"), seen)
    probe = LogisticRegression(max_iter=2000).fit(train[rows], features.labels[seen])
    return macro_f1(features.labels[asked], probe.predict(test))


def within(model: Model, features: Features, families: NDArray[np.int64]) -> float:
    """How often the nearest other test record of the same modality is of the same family."""
    rows, found = features.rows("test"), []
    for own in vectors(model, features, "test").values():
        scores = own @ own.T
        np.fill_diagonal(scores, -np.inf)
        found.append(np.mean(families[rows][scores.argmax(axis=1)] == families[rows]))
    return float(np.mean(found))


def near_duplicates(features: Features, seed: int) -> tuple[Features, NDArray[np.int64]]:
    """Records in families of four that differ by little, and the family of each ``(n,)``."""
    rng, families = np.random.default_rng(seed), np.arange(len(features.ids))
    for split in ("train", "val", "test"):
        rows = features.rows(split)
        families[rows] = rows[np.arange(len(rows)) // 4 * 4]
    arrays = {
        view: (x[families] + rng.normal(0, 0.5, x.shape)).astype(np.float32)
        for view, x in features.arrays.items()
    }
    return replace(features, arrays=arrays, labels=features.labels[families]), families


@contextmanager
def teacher_of_nothing() -> Iterator[None]:
    """Frozen vectors are those of another record of the batch, so that they tell nothing."""
    known = Model.frozen

    def shuffled(self: Model, inputs: Inputs, present: Tensor) -> dict[str, Tensor]:
        found = known(self, inputs, present)
        return {name: rows[torch.randperm(len(rows))] for name, rows in found.items()}

    with patch.object(Model, "frozen", shuffled):
        yield


def gain(how: str) -> dict[str, Callable[[Figures], float]]:
    """What ``Claim.adds`` shows of ``on_real``, with words on how the method is switched on."""
    return {f"{ON}; {how}": lambda f: f["with"] - f["without"]}


def on_real(seed: int, arms: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Recall at 10 of networks with the default's settings on a real set, by arm.

    Args:
        seed: of the draw of labels and of the training.
        arms: name to ``losses`` and ``model`` of the configuration; what is not named is default.
    """
    frozen = {"image": {"encoders": ["lite"]}, "text": {"encoders": ["minilm"]}}
    features = encoded("dcss-monsters", 25, seed, modalities=frozen)
    rows, default = features.rows("test"), {"cross_entropy": {}, "info_nce": {}}
    found = {}
    for name, arm in arms.items():
        model = fitted(
            features,
            losses=arm.get("losses", default),
            model={"dim": 128, **arm.get("model", {})},
            training={"epochs": 10, "batch_size": 128, "modality_dropout": 0.2},
            names=("image", "text"),
            seed=seed,
        )
        found[name] = float(np.mean(list(recall(model, features, rows, 10).values())))
    return found
