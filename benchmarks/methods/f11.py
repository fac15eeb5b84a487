"""F11: votes of calibrated modalities, against concatenation."""

import numpy as np

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._student import answers, bed, f1, fitted, right
from benchmarks.methods._whole import GAINS, whole
from components.features.store import Features
from components.model.network import Model
from components.training.votes import weigh_votes

SLOW = True
CLAIM = Claim(
    id="F11",
    says="On glyphs with calibrated heads it is within 1 point of F01 and degrades least when a "
    "modality is dropped without retraining; on xor it stays at chance (control).",
    bed="pair with three modalities in place of glyphs, without modality dropout; xor with two",
    checks=(
        Check(
            what="macro-F1 of votes minus concat, all there",
            value=lambda x: x["voting, all"] - x["concat, all"],
            above=-0.01,
        ),
        Check(
            what="fall of macro-F1 when one is dropped, votes minus concat",
            value=lambda x: (
                (x["voting, all"] - x["voting, less"]) - (x["concat, all"] - x["concat, less"])
            ),
            below=0.0,
        ),
        Check(
            what="accuracy of votes on xor minus chance",
            value=lambda x: abs(x["voting, xor"] - 0.5),
            below=0.05,
        ),
    ),
    direction=lambda x: x["voting, xor"] < x["concat, xor"],
    adds=GAINS,
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Macro-F1 of both with all modalities and without each; accuracy on xor."""
    size, epochs = (600, 8) if short else (2000, 30)
    pair = bed("pair", seed, records=size, modalities=3)
    xor = bed("xor", seed, records=2 * size)
    found = {}
    for name in ("concat", "voting"):
        model = _student(pair, name, seed, epochs)
        rows = pair.rows("test", labelled=True)
        found[f"{name}, all"] = f1(pair, rows, answers(model, pair, rows).logits)
        less = [tuple(m for m in pair.names if m != lost) for lost in pair.names]
        found[f"{name}, less"] = float(
            np.mean([f1(pair, rows, answers(model, pair, rows, subset=s).logits) for s in less])
        )
        rows = xor.rows("test", labelled=True)
        logits = answers(_student(xor, name, seed, epochs), xor, rows).logits
        found[f"{name}, xor"] = right(xor, rows, logits)
    return found


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"model": {"fusion": {"name": "voting"}}})


def _student(features: Features, fusion: str, seed: int, epochs: int) -> Model:
    how = {"modality_dropout": 0.0, "epochs": epochs}
    model = fitted(features, model={"fusion": fusion}, training=how, seed=seed)
    weigh_votes(model, features, features.rows("val", labelled=True))
    return model
