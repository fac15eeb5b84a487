"""Concatenation, the default fusion: against the best single modality, and against late voting."""

import numpy as np

from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._real import default, encoded
from benchmarks.methods._student import answers, bed, f1, fitted, right
from components.evaluation.gain import fusion_gain

CLAIM = Claim(
    id="F01",
    says="On `glyphs` its macro-F1 exceeds the best single modality by E09's test; on `xor` it "
    "exceeds F11, which stays at chance.",
    bed="xor, all labels; glyphs, 25 labels for each class, one recipe for each seed",
    checks=(
        Check(
            what="glyphs: macro-F1 minus that of the best single modality",
            value=lambda f: f["glyphs, fused"] - f["glyphs, best single"],
            above=0.0,
        ),
        Check(
            what="glyphs: lower limit of E09's interval",
            value=lambda f: f["glyphs, lower limit"],
            above=0.0,
        ),
        Check(
            what="xor: accuracy of concatenation minus late voting",
            value=lambda f: f["xor, concat"] - f["xor, voting"],
            above=0.0,
        ),
        Check(
            what="xor: accuracy of late voting",
            value=lambda f: f["xor, voting"],
            above=0.45,
            below=0.55,
        ),
    ),
    direction=lambda f: f["xor, concat"] - f["xor, voting"] > 0.2,
    adds={"25 labels, minus the best single modality": lambda f: f["fused"] - f["best single"]},
)


def _on_xor(seed: int, short: bool) -> dict[str, float]:
    data = bed("xor", seed, records=1000 if short else 2000, noise=0.7)
    rows, figures = data.rows("test"), {}
    for fusion in ("concat", "voting"):
        settings = {"epochs": 20 if short else 30, "modality_dropout": 0.0}
        model = fitted(data, model={"fusion": fusion}, training=settings, seed=seed)
        figures[f"xor, {fusion}"] = right(data, rows, answers(model, data, rows).logits)
    return figures


def _on_glyphs(seed: int) -> dict[str, float]:
    data = encoded("glyphs", 25, seed)
    val, test = data.rows("val", labelled=True), data.rows("test", labelled=True)
    said, judged = {}, {}
    for arm in ("fused", *data.names):
        names = data.names if arm == "fused" else (arm,)
        model = fitted(data, names=names, seed=seed)
        found = [np.nan_to_num(answers(model, data, rows).logits) for rows in (val, test)]
        judged[arm] = f1(data, val, found[0])
        said[arm] = found[1].argmax(axis=1)[None]
    fused = said.pop("fused")
    gain = fusion_gain(data.labels[test], fused, said, judged, metric="macro_f1", seed=seed)
    best = f1(data, test, np.eye(len(data.classes))[said[gain.best][0]])
    return {
        "glyphs, fused": best + gain.interval.difference,
        "glyphs, best single": best,
        "glyphs, lower limit": gain.interval.low,
    }


def run(seed: int, short: bool) -> dict[str, float]:
    """Accuracy on xor; but for the short form, macro-F1 on glyphs with E09's interval."""
    return {**_on_xor(seed, short), **({} if short else _on_glyphs(seed))}


def real(seed: int) -> dict[str, float]:
    """Accuracy of the default, and of its best single modality."""
    found = default("dcss-monsters", 25, seed)
    return {"fused": found["accuracy"], "best single": found["best_single"]["accuracy"]}
