"""Calibration: what a temperature does for confidence, and one for each presence pattern."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import answers, bed, fitted
from components.features.store import Features
from components.model.calibration import brier, expected_calibration_error, log_loss
from components.model.subsets import patterns
from components.parts.classification import accuracy

CLAIM = Claim(
    id="E06",
    says="ECE at least halves on test with accuracy unchanged; one global T leaves a higher ECE on "
    "single-modality records than one T per pattern.",
    bed="pair, 16 labels for each class, 40% missing; temperatures fitted on validation records",
    checks=(
        Check(
            what="ECE with one T per pattern minus half of the ECE without",
            value=lambda f: f["ece, per pattern"] - f["ece, raw"] / 2,
            below=0.0,
        ),
        Check(
            what="accuracy with one T per pattern minus without",
            value=lambda f: f["accuracy, per pattern"] - f["accuracy, raw"],
            above=-1e-9,
            below=1e-9,
        ),
        Check(
            what="ECE on single-modality records, one global T minus one per pattern",
            value=lambda f: f["ece of singles, global"] - f["ece of singles, per pattern"],
            above=0.0,
        ),
    ),
    direction=lambda f: f["ece, per pattern"] < f["ece, raw"],
    note="No set is needed: every run fits a temperature for each subset of modalities.",
)


def _temperatures(
    data: Features, val: NDArray[np.int64], logits: NDArray[np.floating]
) -> dict[str, float]:
    """By pattern of the records, on validation records."""
    keys = np.array(patterns(data.present[val], data.names))
    labels = data.labels[val]
    return {
        key: data.target.calibrate(logits[keys == key], labels[keys == key])
        for key in sorted(set(keys.tolist()))
    }


def run(seed: int, short: bool) -> dict[str, float]:
    """ECE, Brier, likelihood and accuracy of one network on test records, three ways."""
    data = bed("pair", seed, records=1000 if short else 4000, labels=16, missing=0.4)
    model = fitted(data, training={"epochs": 30 if short else 60}, seed=seed)
    val, test = data.rows("val"), data.rows("test")
    fitting, logits = (answers(model, data, rows).logits for rows in (val, test))
    keys = patterns(data.present[test], data.names)
    each = _temperatures(data, val, fitting)
    one = data.target.calibrate(fitting, data.labels[val])
    scales = {
        "raw": np.ones((len(test), 1)),
        "global": np.full((len(test), 1), one),
        "per pattern": np.array([[each[key]] for key in keys]),
    }
    alone = ~data.present[test].all(axis=1)
    figures, labels = {}, data.labels[test]
    for arm, scale in scales.items():
        p = data.target.probabilities(logits / scale)
        figures |= {
            f"ece, {arm}": expected_calibration_error(p, labels),
            f"ece of singles, {arm}": expected_calibration_error(p[alone], labels[alone]),
            f"brier, {arm}": brier(p, labels),
            f"nll, {arm}": log_loss(p, labels),
            f"accuracy, {arm}": accuracy(labels, p.argmax(axis=1)),
        }
    return figures
