"""The fusion-gain test: does it refuse fusion with pure noise, and accept it where it is needed?"""

import numpy as np

from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import answers, bed, fitted, right
from components.evaluation.gain import Gain, fusion_gain
from components.features.store import Features

TRAININGS = 3
"""Seeds of training within a repeat."""
SLOW = True
"""The short form takes more than five seconds."""
CLAIM = Claim(
    id="E09",
    says="On data where one modality is pure noise the test refuses fusion in at least 95% of "
    "repeats; on `xor` it accepts in all.",
    bed="xor, variant unique (the second modality tells nothing), 20 repeats; xor, 10 repeats",
    checks=(
        Check(
            what="share of repeats with a noise modality in which fusion is refused",
            value=lambda f: f["refused with noise"],
            above=0.95,
        ),
        Check(
            what="share of repeats on xor in which fusion is accepted",
            value=lambda f: f["accepted on xor"],
            above=0.999,
        ),
    ),
    direction=lambda f: f["refused with noise"] == 1 and f["accepted on xor"] == 1,
    note="No set is needed: every run tells the interval of the gain over the best single one.",
)


def _gain(data: Features, epochs: int, seed: int, trainings: int) -> Gain:
    """The test on networks of both modalities and of each, with several seeds of training."""
    val, test = data.rows("val"), data.rows("test")
    said: dict[str, list[np.ndarray]] = {"a+b": [], "a": [], "b": []}
    judged: dict[str, list[float]] = {"a": [], "b": []}
    for training in range(trainings):
        for arm, answered in said.items():
            settings = {"epochs": epochs, "modality_dropout": 0.0}
            model = fitted(
                data, names=arm.split("+"), training=settings, seed=100 * seed + training
            )
            answered.append(answers(model, data, test).logits.argmax(axis=1))
            if arm in judged:
                judged[arm].append(right(data, val, answers(model, data, val).logits))
    stacked = {arm: np.stack(answered) for arm, answered in said.items()}
    fused = stacked.pop("a+b")
    means = {name: float(np.mean(figures)) for name, figures in judged.items()}
    return fusion_gain(data.labels[test], fused, stacked, means, seed=seed)


def run(seed: int, short: bool) -> dict[str, float]:
    """Shares of repeats, and the mean gains."""
    repeats = {"unique": 1 if short else 4, "xor": 1 if short else 2}
    trainings = 1 if short else TRAININGS
    found: dict[str, list[Gain]] = {}
    for variant, count in repeats.items():
        found[variant] = []
        for repeat in range(count):
            records = 600 if variant == "unique" else 1200
            data = bed("xor", 1000 * seed + repeat, variant=variant, records=records, noise=0.7)
            found[variant].append(_gain(data, 12 if variant == "unique" else 20, seed, trainings))
    gains = {f"gain, {v}": float(np.mean([g.interval.difference for g in found[v]])) for v in found}
    return {
        "refused with noise": float(np.mean([not gain.ships for gain in found["unique"]])),
        "accepted on xor": float(np.mean([gain.ships for gain in found["xor"]])),
        **gains,
    }
