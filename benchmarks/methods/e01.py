"""Missing-rate sweeps: do they tell a robust model from another, and name what is unused?"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import answers, bed, fitted, right, truth
from components.evaluation.missing import RATES, Curve, chances, left, standing, sweep
from components.features.store import Features
from components.model.network import Model
from components.model.subsets import ignored

MASKED = {"with": 0.4, "without": 0.0}
"""Modality masking (M01) of each arm."""
CLAIM = Claim(
    id="E01",
    says="Separates F01 trained with M01 from F01 trained without it at 50% missing, and shows a "
    "fall for both when the not-at-random pattern is reversed; a model that ignores a modality "
    "shows zero change when it is removed, and the report names it.",
    bed="pair with three modalities, all labels; not at random: what is missing follows the class",
    checks=(
        Check(
            what="accuracy with M01 minus without, half of the modalities missing at random",
            value=lambda f: f["with, random 0.5"] - f["without, random 0.5"],
            above=0.0,
        ),
        Check(
            what="fall of F01 with M01 when the pattern is reversed",
            value=lambda f: f["with, as learned"] - f["with, reversed"],
            above=0.0,
        ),
        Check(
            what="fall of F01 without M01 when the pattern is reversed",
            value=lambda f: f["without, as learned"] - f["without, reversed"],
            above=0.0,
        ),
        Check(
            what="share of models that ignore one modality and are named by it alone",
            value=lambda f: f["named"],
            above=0.99,
        ),
    ),
    direction=lambda f: f["with, reversed"] < f["with, as learned"] and f["named"] == 1,
    note="No set is needed: the sweeps are in every report.",
)


def _sweep(
    model: Model,
    data: Features,
    stands: NDArray[np.float64] | None,
    rates: tuple[float, ...] = (0.5,),
) -> Curve:
    rows, present = data.rows("test"), np.ones_like(data.present)

    def said(seen: NDArray[np.bool_]) -> NDArray[np.floating]:
        present[rows] = seen
        return answers(model, data, rows, present=present).logits

    whole = np.ones((len(rows), present.shape[1]), np.bool_)
    return sweep(said, lambda logits: right(data, rows, logits), whole, stands, rates=rates)


def _named(data: Features, epochs: int, seed: int) -> float:
    """Whether a model that never reads a modality is named by it, and one that reads it is not."""
    both = {"epochs": epochs}
    deaf = fitted(data, names=("a",), training=both, seed=seed)
    whole = fitted(data, names=("a", "b"), training=both, seed=seed)
    rows = data.rows("test")

    def accuracy(model: Model, seen: str) -> float:
        subset = tuple(name for name in seen.split("+") if name in model.names)
        if not subset:
            return 0.0
        return right(data, rows, answers(model, data, rows, subset=subset).logits)

    told = [
        ignored({seen: accuracy(model, seen) for seen in ("a", "b", "a+b")}, ["a", "b"])
        for model in (deaf, whole)
    ]
    return float(told == [["b"], []])


def run(seed: int, short: bool) -> dict[str, float]:
    """Accuracy of four networks by missing pattern, and whether an ignored modality is named."""
    data = bed("pair", seed, modalities=3, noise=1.5, records=700 if short else 2000)
    epochs = 10 if short else 20
    stands = standing(truth(data))
    draws = np.random.default_rng(seed).random(data.present.shape)
    # Not at random: records of the last classes lose more, in training and in the first test.
    lossy = replace(data, present=left(data.present, chances(0.5, stands), draws))
    test = stands[data.rows("test")]
    figures = {"named": _named(data, epochs, seed)}
    for arm, rate in MASKED.items():
        training = {"epochs": epochs, "modality_dropout": rate}
        complete = _sweep(fitted(data, training=training, seed=seed), data, None, RATES)
        figures[f"{arm}, random 0.5"] = complete.values[RATES.index(0.5)]
        figures |= {f"{arm}, area": complete.area, f"{arm}, fall": complete.fall}
        model = fitted(lossy, training=training, seed=seed)
        figures[f"{arm}, as learned"] = _sweep(model, data, test).values[0]
        figures[f"{arm}, reversed"] = _sweep(model, data, 1 - test).values[0]
    return figures
