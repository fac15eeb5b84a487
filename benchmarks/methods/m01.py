"""Modality masking: does a network that had modalities hidden in training stand missing ones?"""

from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._student import answers, bed, f1, fitted
from benchmarks.methods._whole import GAINS, whole
from components.evaluation.missing import sweep
from components.features.store import Features
from components.model.network import Model

RATES = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SHORT = (0.0, 0.6)
SLOW = True
"""The short form takes more than five seconds."""


def _above(figures: Figures) -> float:
    gains = [
        figures[f"with {r}"] - figures[f"without {r}"]
        for r in RATES
        if f"with {r}" in figures and r > 0.3
    ]
    return sum(gains) / len(gains)


CLAIM = Claim(
    id="M01",
    says="At test missing rates above 30% macro-F1 rises against the same fusion without it, at a "
    "cost of at most 0.5 point when all is present.",
    bed="pair with three modalities, noise 1.5, all labels",
    checks=(
        Check(
            what="macro-F1 with masking (.4) minus without, rates .4 to .9", value=_above, above=0.0
        ),
        Check(
            what="the same, half of the modalities missing",
            value=lambda f: f["with 0.5"] - f["without 0.5"],
            above=0.0,
        ),
        Check(
            what="the same, nothing missing",
            value=lambda f: f["with 0.0"] - f["without 0.0"],
            above=-0.005,
        ),
    ),
    direction=lambda f: _above(f) > 0,
    adds=GAINS,
)


def _curve(model: Model, data: Features, rates: tuple[float, ...], seed: int) -> dict[float, float]:
    rows = data.rows("test")
    present = data.present.copy()

    def said(seen):  # noqa: ANN001, ANN202
        present[rows] = seen
        return answers(model, data, rows, present=present).logits

    found = sweep(
        said, lambda logits: f1(data, rows, logits), data.present[rows], rates=rates, seed=seed
    )
    return dict(zip(found.rates, found.values, strict=True))


def run(seed: int, short: bool) -> dict[str, float]:
    """Macro-F1 at each missing rate, with masking and without."""
    data = bed("pair", seed, modalities=3, noise=1.5, records=2000)
    figures = {}
    for arm, rate in (("with", 0.4), ("without", 0.0)):
        training = {"epochs": 20, "modality_dropout": rate}
        model = fitted(data, training=training, seed=seed)
        curve = _curve(model, data, SHORT if short else RATES, seed)
        figures |= {f"{arm} {rate}": value for rate, value in curve.items()}
    return figures


def real(seed: int) -> Figures:
    """The default, which masks at .2, and the default without it."""
    return whole(seed, without={"training": {"modality_dropout": 0.0}})
