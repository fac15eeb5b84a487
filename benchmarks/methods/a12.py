"""A12: structured fields, against boosted trees, and one shared table against separate ones."""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._real import encoded
from benchmarks.methods._student import answers, f1, fitted
from benchmarks.methods._whole import GAINS, whole
from components.features.store import Features
from components.parts import loading as parts
from components.parts.classification import macro_f1

SET, LABELS, FACTS = "dcss-monsters", 25, "facts"
ENCODERS: dict[str, dict[str, Any]] = {
    "separate": {"name": "fields"},
    "shared": {"name": "multiplexed", "dim": 4},
}
CLAIM = Claim(
    id="A12",
    says="On glyphs, fields alone reach macro-F1 near gradient-boosted trees (within 3 points); "
    "multiplexed table matches separate tables with a quarter of the parameters.",
    bed="the facts of dcss-monsters (18 numbers, 6 categories, 3 sets), 25 labels of each class in "
    "place of those of glyphs, which hardly have categories; scikit-learn's boosted trees",
    checks=(
        Check(
            what="macro-F1 of fields minus boosted trees",
            value=lambda x: x["separate"] - x["trees"],
            above=-0.03,
        ),
        Check(
            what="macro-F1 of the shared table minus separate ones",
            value=lambda x: x["shared"] - x["separate"],
            above=-0.02,
        ),
        Check(
            what="parameters of the shared table as a share of those of separate ones",
            value=lambda x: x["shared, parameters"] / x["separate, parameters"],
            below=0.25,
        ),
    ),
    direction=lambda x: x["shared, parameters"] < x["separate, parameters"] / 4,
    adds=GAINS,
    note="The bed is a real set; there are three draws of labels, so two seeds differ in the "
    "network's weights alone",
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Macro-F1 of three models of the facts alone, and the encoders' parameters."""
    if short:  # without the real set
        return {f"{name}, parameters": _parameters(one) for name, one in ENCODERS.items()}
    found = {}
    for name, encoder in ENCODERS.items():
        data = encoded(SET, LABELS, seed, modalities={FACTS: {"encoders": [encoder]}})
        how = {"epochs": 60, "modality_dropout": 0.0}
        model = fitted(data, names=(FACTS,), training=how, seed=seed)
        rows = _test(data)
        found[name] = f1(data, rows, answers(model, data, rows).logits)
        found[f"{name}, parameters"] = sum(p.numel() for p in model.encoders.parameters())
        if name == "separate":
            found["trees"] = _trees(data, seed)
    return found


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"modalities": {FACTS: {"encoders": [ENCODERS["shared"]]}}})


def _parameters(encoder: dict[str, Any]) -> float:
    """Of the network of an encoder of nine categories."""
    columns = {"columns": {f"c{i}": {"type": "category"} for i in range(9)}}
    kind = parts.load("kinds", "tabular").build(
        parts.configure("kinds", "tabular", {}), name=FACTS, columns=columns
    )
    options = {key: value for key, value in encoder.items() if key != "name"}
    config = parts.configure("encoders", encoder["name"], options)
    made = parts.load("encoders", encoder["name"]).build(config, kind=kind)
    return float(sum(p.numel() for p in made.network().parameters()))


def _trees(data: Features, seed: int) -> float:
    (view,) = data.views((FACTS,))
    rows, test = data.rows("train", labelled=True), _test(data)
    rows = rows[data.present[rows, data.names.index(FACTS)]]
    trees = HistGradientBoostingClassifier(random_state=seed)
    trees.fit(np.asarray(data.arrays[view][rows]), data.labels[rows])
    return macro_f1(data.labels[test], trees.predict(np.asarray(data.arrays[view][test])))


def _test(data: Features) -> np.ndarray[Any, Any]:
    rows = data.rows("test", labelled=True)
    found: np.ndarray[Any, Any] = rows[data.present[rows, data.names.index(FACTS)]]
    return found
