"""Focal loss and a threshold for each class (H03)."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods import _beds, _real
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._student import answers, fitted
from components.features.store import Features
from components.features.target import build_target
from components.parts.label_sets import best_thresholds

PLAIN: dict[str, dict[str, Any]] = {"cross_entropy": {}}
FOCAL: dict[str, dict[str, Any]] = {"focal": {"balance": 1.0}}


def run(seed: int, short: bool) -> Figures:
    """Genres of movie posters; in the short form sets of one class, some of them rare."""
    if short:
        features = _sets(_beds.bed("pair", seed, records=1200, classes=6, imbalance=20.0))
        return _arms(features, seed, epochs=10)
    features = _real.encoded("movie-posters", "all", 0, training={"seed": 0})
    # Networks of the frozen views alone: what is trained in a run would take most of the time.
    learned = [v for v in features.views() if v.endswith(("/cnn", "/melcnn"))]
    return _arms(features.without(learned), seed, epochs=12)


def _sets(features: Features) -> Features:
    """The same records, each with the set of its one class."""
    codes = np.asarray(features.labels)
    sets = np.where(codes[:, None] < 0, -1, codes[:, None] == np.arange(len(features.classes)))
    target = build_target("multi", features.classes)
    return replace(features, labels=sets.astype(np.int8), target=target, target_kind="multi")


def _arms(features: Features, seed: int, epochs: int) -> Figures:
    """Macro-F1 on test records at one half, and at thresholds of the validation records."""
    val, test = (features.rows(split, labelled=True) for split in ("val", "test"))
    shares = features.target.shares(features.labels[features.rows("train", labelled=True)])
    rare = shares <= np.median(shares)
    found: dict[str, float] = {}
    for name, losses in (("plain", PLAIN), ("focal", FOCAL), ("unweighted", {"focal": {}})):
        model = fitted(features, losses=losses, training={"epochs": epochs}, seed=seed)
        p = {
            split: features.target.probabilities(answers(model, features, rows).logits)
            for split, rows in (("val", val), ("test", test))
        }
        tuned = best_thresholds(features.labels[val], p["val"])
        for at, thresholds in (("at .5", np.full(len(tuned), 0.5)), ("tuned", tuned)):
            for split, rows in (("val", val), ("test", test)):
                each = _f1(features.labels[rows], p[split] >= thresholds)
                found[f"{name} {at} {split}"] = float(np.nanmean(each))
                found[f"{name} {at} {split} rare"] = float(np.nanmean(each[rare]))
                found[f"{name} {at} {split} frequent"] = float(np.nanmean(each[~rare]))
    return found


def _f1(labels: NDArray[np.int8], given: NDArray[np.bool_]) -> NDArray[np.float64]:
    """F1 of each class ``(classes,)``; NaN of one that no record has."""
    has, known = labels == 1, labels >= 0
    hits, sizes = (has & given).sum(axis=0), has.sum(axis=0) + (given & known).sum(axis=0)
    return np.where(has.any(axis=0), 2 * hits / np.maximum(sizes, 1), np.nan)


def _gain(f: Figures, split: str) -> float:
    return f[f"plain tuned {split}"] - f[f"plain at .5 {split}"]


CLAIM = Claim(
    id="H03",
    says="Macro-F1 rises against plain binary loss at threshold 0.5, most on rare classes;"
    " thresholds tuned on validation keep at least half of their gain on test.",
    bed="movie-posters, all labels, frozen views, network alone; five seeds of weights and batches",
    checks=[
        Check(
            what="macro-F1 of focal loss and tuned thresholds minus plain loss at one half",
            value=lambda f: f["focal tuned test"] - f["plain at .5 test"],
            above=0.0,
        ),
        Check(
            what="the same rise on the rarer half of the classes minus on the others",
            value=lambda f: (
                (f["focal tuned test rare"] - f["plain at .5 test rare"])
                - (f["focal tuned test frequent"] - f["plain at .5 test frequent"])
            ),
            above=0.0,
        ),
        Check(
            what="gain of tuned thresholds on test minus half of the gain on validation",
            value=lambda f: _gain(f, "test") - _gain(f, "val") / 2,
            above=0.0,
        ),
        Check(
            what="macro-F1 of focal loss minus plain loss, both with tuned thresholds",
            value=lambda f: f["focal tuned test"] - f["plain tuned test"],
            above=0.0,
        ),
    ],
    direction=lambda f: f["focal tuned test"] > f["plain at .5 test"],
    note="The real set is the bed. Concord fits thresholds to held-out folds by default.",
)
