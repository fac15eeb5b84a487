"""Reliance tells the modality that answers rest on, and a shortcut."""

import numpy as np
import pytest
import torch

from benchmarks.methods._student import bed, fitted
from components.evaluation.reliance import of_features, reliance
from components.model.inference import infer


@pytest.fixture(scope="module")
def learned():
    """A network on records whose modality `b` is almost pure noise."""
    torch.set_num_threads(1)
    features = bed("pair", 0, records=240, classes=3, noise=(0.3, 8.0))
    return fitted(features, training={"epochs": 8}), features


def test_what_carries_the_label_is_important_alone_and_followed_in_a_conflict(learned):
    model, features = learned
    found = of_features(model, features, features.rows("test", labelled=True))
    assert next(iter(found.modalities)) == "a"
    a, b = found.modalities["a"], found.modalities["b"]
    assert a.importance > 0.3 > abs(b.importance)
    assert a.follows > 0.7 > b.follows
    assert a.shortcut
    assert not b.shortcut
    assert found.solvable[:, 0].mean() == pytest.approx(a.alone)


def test_importance_is_the_loss_over_shuffles_of_the_same_seed(learned):
    model, features = learned
    rows = features.rows("test", labelled=True)
    rng, lost = np.random.default_rng(5), []
    arrays = {view: rows_of[rows] for view, rows_of in features.arrays.items()}
    present, labels = features.present[rows], features.labels[rows]
    found = reliance(model, arrays, present, labels, repeats=3, seed=5)
    whole = (infer(model, arrays, present).logits.argmax(axis=1) == labels).mean()
    for _ in range(3):
        mixed = arrays | {"a/numbers": arrays["a/numbers"][rng.permutation(len(rows))]}
        lost.append((infer(model, mixed, present).logits.argmax(axis=1) == labels).mean())
    assert found.whole == pytest.approx(whole)
    assert found.modalities["a"].importance == pytest.approx(whole - np.mean(lost))
