"""Agreement of modalities, and weights by entropy (S04)."""

import math
from typing import Any

import numpy as np

from benchmarks.methods import _beds
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._labelling import Given, given, pseudo
from benchmarks.methods._student import answers, f1, fitted
from benchmarks.methods._whole import GAINS, whole
from components.training.data import training_data

NOISE = 1.0
STEPS = 400
"""Of each student, in batches of 64 records with labels or pseudo-labels."""


def run(seed: int, short: bool) -> Figures:
    """Independent noise, and the same noise in both modalities."""
    records = 1200 if short else 4000
    found: dict[str, float] = {}
    for bed, shared in (("independent", 0.0), ("shared", 1.0)):
        features = _beds.bed(
            "pair",
            seed,
            labels=4,
            records=records,
            shared=shared,
            noise=0.3 if shared else NOISE,
        )
        truth = _beds.truth(features)
        seen = given(features, seed)
        labels = seen.by("agreement", rule="agreement")
        found[f"{bed}: agreed"] = float((labels.labels == truth[seen.rows])[labels.accepted].mean())
        found[f"{bed}: one head"] = _best_head(seen, truth, int(labels.accepted.sum()))
        found[f"{bed}: share"] = float(labels.accepted.mean())
        if shared or short:
            continue
        found |= _students(seen, seed)
    return found


def real(seed: int) -> Figures:
    """The whole run with the labeller, and with the default one."""
    return whole(seed, {"labeller": {"name": "agreement"}})


def _best_head(seen: Given, truth: np.ndarray, count: int) -> float:
    """Precision of the modality that is best on the records that it is surest of."""
    precisions = []
    for p in seen.pool.by_modality.values():
        sure = np.argsort(-p.max(axis=1), kind="stable")[:count]
        precisions.append(float((p.argmax(axis=1) == truth[seen.rows])[sure].mean()))
    return max(precisions)


def _students(seen: Given, seed: int) -> Figures:
    """Macro-F1 of students: of labels alone, of agreed labels, and of weak/strong consistency."""
    features, test = seen.features, seen.features.rows("test")
    agreed, switched = seen.by("agreement", rule="agreement"), seen.by("agreement")
    arms: dict[str, dict[str, Any]] = {
        "labels alone": {},
        "agreement": {"pseudo": pseudo(features, seen.rows, agreed)},
        "switch": {"pseudo": pseudo(features, seen.rows, switched)},
        "fixmatch": {"ssl": {"name": "fixmatch", "ratio": 4}},
    }
    found = {}
    for name, more in arms.items():
        epoch = len(training_data(features, pseudo=more.get("pseudo")).supervised) / 64
        training = {"epochs": round(STEPS / math.ceil(epoch))}
        model = fitted(features, seed=seed, training=training, **more)
        found[f"student: {name}"] = f1(features, test, answers(model, features, test).logits)
    return found


CLAIM = Claim(
    id="S04",
    says="With independent noise, agreed labels are more precise than the best single head at equal"
    " coverage, and the fused head trained on them beats S01 in macro-F1 at 4 labels per class."
    " Where both modalities share their noise the advantage vanishes.",
    bed="pair, 4,000 records, 4 labels per class; noise 1 in each modality, or instance codes that"
    " both share",
    checks=[
        Check(
            what="precision of agreed labels minus the best head's, equal coverage, noise of each",
            value=lambda f: f["independent: agreed"] - f["independent: one head"],
            above=0.0,
        ),
        Check(
            what="the same where noise is shared",
            value=lambda f: f["shared: agreed"] - f["shared: one head"],
            below=0.02,
        ),
        Check(
            what="macro-F1 of a student of agreed labels minus that of FixMatch (S01)",
            value=lambda f: f["student: agreement"] - f["student: fixmatch"],
            above=0.0,
        ),
        Check(
            what="macro-F1 of a student of agreed labels minus that of labels alone",
            value=lambda f: f["student: agreement"] - f["student: labels alone"],
            above=0.0,
        ),
    ],
    direction=lambda f: f["independent: agreed"] > f["independent: one head"] - 0.02,
    adds=GAINS,
    note="Looked into before these cells: the shift to the classes' shares among all records, which"
    " moved every modality towards the same classes, passed for agreement; the labeller now judges"
    " without it.",
)
