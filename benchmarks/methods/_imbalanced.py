"""The experiment that FlexMatch, FreeMatch and SoftMatch share: classes of unequal size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.methods import _beds
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._online import steps
from benchmarks.methods._student import answers, f1, fitted

BED = (
    "pair (12 classes, the most common 20 times as frequent as the rarest, 4 labels per class); "
    "glyphs cannot be set to an imbalance"
)


def rarest(id_: str, name: str, **more: Any) -> Claim:  # noqa: ANN401
    """The claim of a method that shall help the rarest classes and cost no precision.

    Args:
        id_: of the method.
        name: of the part in ``ssl/``.
        more: further fields of the claim.
    """
    recall, precision = (
        Check(
            what="recall of the rarest quarter of classes minus FixMatch's",
            value=lambda f: f[f"{name} rarest"] - f["fixmatch rarest"],
            above=0.0,
        ),
        Check(
            what="mean precision over classes minus FixMatch's, not below -0.02",
            value=lambda f: f[f"{name} precision"] - f["fixmatch precision"],
            above=-0.02,
        ),
    )
    return Claim(
        id=id_,
        says="With a 20:1 class imbalance, recall of the rarest quarter of classes rises against "
        "FixMatch at equal overall precision.",
        bed=BED,
        checks=(recall, precision),
        direction=lambda f: f[f"{name} rarest"] >= f["fixmatch rarest"] - 0.1,
        **more,
    )


def run(seed: int, arms: Sequence[str], *, short: bool) -> Figures:
    """Figures of each arm on the test split; the same steps in each."""
    features = _beds.bed(
        "pair",
        seed,
        labels=4,
        records=1500 if short else 6000,
        classes=12,
        strength=3.5,
        imbalance=20.0,
    )
    rows, truth = features.rows("test", labelled=True), _beds.truth(features)
    counts = np.bincount(truth, minlength=12)
    rare = np.argsort(counts, kind="stable")[:3]
    found = {}
    for arm in arms:
        kept: dict[str, float] = {}
        network = fitted(
            features,
            ssl={"name": arm},
            seed=seed,
            training=steps(features, short=short),
            log=lambda figures, _, kept=kept: kept.update(figures),
        )
        logits = answers(network, features, rows).logits
        said, true = logits.argmax(1), truth[rows]
        found[f"{arm} f1"] = f1(features, rows, logits)
        found[f"{arm} rarest"] = _mean([(said[true == c] == c).mean() for c in rare if c in true])
        found[f"{arm} precision"] = _mean(
            [(true[said == c] == c).mean() for c in range(12) if c in said]
        )
        found[f"{arm} kept"] = kept[f"train/{arm}/kept"]
    return found


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
