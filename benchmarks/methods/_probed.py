"""The experiment that balance shares: what the slower modality's encoder knows, and all together.

Encoders of the bed are linear, and so is the probe: with a shared space narrower than the vectors,
what a projector keeps of its modality is what the training made it keep.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from benchmarks.methods import _beds
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._student import answers, f1, fitted
from benchmarks.methods._whole import GAINS
from components.features.store import Features

FAST, SLOW = "a", "b"
UNEVEN, EVEN = (0.5, 1.5), 1.0
"""Noise of both modalities: the classes of the first are far easier to tell apart."""
FUSED = {"cross_entropy": {"modality_weight": 0.0}}
"""The loss of the fused answer alone."""
HEADS = {**FUSED, "modality_heads": {}}
"""With heads of single modalities."""
BED = "pair (10 classes, noise 0.5 and 1.5), a shared space of 6 numbers"


def run(seed: int, arms: Mapping[str, Mapping[str, Any]], *, short: bool, noise: Any) -> Figures:  # noqa: ANN401
    """Macro-F1 of the fused answer and accuracy of each modality's probe, on the test split.

    Args:
        seed: of bed and network.
        arms: name to what `fitted` is given.
        short: few records and steps.
        noise: of both modalities.
    """
    features = _beds.bed(
        "pair",
        seed,
        records=1200 if short else 4000,
        classes=10,
        strength=3.0,
        noise=noise,
    )
    found = {}
    for arm, options in arms.items():
        network = fitted(
            features,
            model={"dim": 6},
            seed=seed,
            training={"epochs": 4 if short else 12, "modality_dropout": 0.0},
            **options,
        )
        rows = features.rows("test", labelled=True)
        found[f"{arm} f1"] = f1(features, rows, answers(network, features, rows).logits)
        for name in (FAST, SLOW):
            found[f"{arm} {name}"] = probed(network, features, name)
    return found


def probed(network: Any, features: Features, name: str) -> float:  # noqa: ANN401
    """Accuracy on the test split of a linear probe of a modality's vectors."""
    train, test = (features.rows(split, labelled=True) for split in ("train", "test"))
    vectors = [answers(network, features, rows).embeddings[name] for rows in (train, test)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe = LogisticRegression(C=10.0, max_iter=300).fit(vectors[0], features.labels[train])
    return float(probe.score(vectors[1], features.labels[test]))


def claim(id_: str, name: str) -> Claim:
    """The claim of a balance part."""
    return Claim(
        id=id_,
        says="With one modality learning far faster, the slow one's probe accuracy rises and fused "
        "macro-F1 rises against B01; with equal modalities nothing changes.",
        bed=f"{BED}; equal: noise 1.0 in both",
        checks=(
            Check(
                what="probe of the slow modality minus B01's",
                value=lambda f: f[f"{name} b"] - f["heads b"],
                above=0.0,
            ),
            Check(
                what="fused macro-F1 minus B01's",
                value=lambda f: f[f"{name} f1"] - f["heads f1"],
                above=0.0,
            ),
            Check(
                what="fused macro-F1 minus B01's with equal modalities, within 0.01",
                value=lambda f: f[f"equal {name} f1"] - f["equal heads f1"],
                above=-0.01,
                below=0.01,
            ),
        ),
        direction=lambda f: abs(f[f"{name} f1"] - f["heads f1"]) < 0.1,
        adds=GAINS,
    )


def both(seed: int, name: str, *, short: bool) -> Figures:
    """Heads with and without a balance part, of unequal and of equal modalities."""
    arms = {"heads": {"losses": HEADS}, name: {"losses": HEADS, "balance": {"name": name}}}
    found = dict(run(seed, arms, short=short, noise=UNEVEN))
    equal = run(seed, arms, short=short, noise=EVEN)
    return {**found, **{f"equal {arm}": value for arm, value in equal.items()}}
