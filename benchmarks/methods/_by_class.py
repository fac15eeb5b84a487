"""Losses that know classes against InfoNCE: what L02's claims share."""

from benchmarks.methods._aligned import CONTRAST, by_class, probe_f1
from benchmarks.methods._claim import Check
from benchmarks.methods._student import fitted
from components.features.store import Features

HOW = {"epochs": 15}
CHECKS = [
    Check(
        what="R@1 by class minus InfoNCE's",
        value=lambda f: f["class r1"] - f["info_nce class r1"],
        above=0.0,
    ),
    Check(
        what="macro-F1 of a probe minus InfoNCE's",
        value=lambda f: f["probe f1"] - f["info_nce probe f1"],
        above=0.0,
    ),
]


def compared(told: Features, loss: dict[str, dict[str, float]], seed: int) -> dict[str, float]:
    """Recall@1 by class and macro-F1 of a probe, of the loss and of InfoNCE."""
    found = {}
    for prefix, losses in (("", loss), ("info_nce ", CONTRAST)):
        model = fitted(told, losses=losses, training=HOW, seed=seed)
        found[f"{prefix}class r1"] = by_class(model, told)
        found[f"{prefix}probe f1"] = probe_f1(model, told)
    return found
