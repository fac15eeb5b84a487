"""Rounds of votes (S05a)."""

import numpy as np

from benchmarks.methods import _beds
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._labelling import given
from benchmarks.methods._whole import GAINS, whole
from components.parts.labellers import voting


def run(seed: int, short: bool) -> Figures:
    """Five modalities of different noise, a few labels."""
    features = _beds.bed(
        "pair",
        seed,
        labels=16,
        records=1000 if short else 3000,
        modalities=5,
        noise=(0.8, 1.0, 1.2, 1.5, 2.0),
        shared=0.0,
    )
    truth = _beds.truth(features)
    seen = given(features, seed)
    config = voting.Config()
    pool, known = (e.asked("voting").features() for e in (seen.pool, seen.held_out))
    targets = np.eye(len(features.classes))[seen.labels]
    folds = seen.held_out.asked("voting").folds
    estimated = voting.precisions(config, pool, known, targets, folds, "softmax")
    kept = voting.kept_rounds(estimated)
    polls = voting.rounds_of(config, pool, known, targets, "softmax", config.rounds)
    own = truth[seen.rows]
    each = np.arange(len(own))
    true = [float(poll.given[each, own].sum() / max(1, poll.given.sum())) for poll in polls]
    falls = np.diff(true[:kept])
    labels = seen.by("voting")
    sure = max(
        float((p.argmax(axis=1) == own)[np.argsort(-p.max(axis=1))[: labels.accepted.sum()]].mean())
        for p in seen.pool.by_modality.values()
    )
    return {
        "rounds kept": float(kept),
        "largest fall": float(-falls.min()) if len(falls) else 0.0,
        "first precision": true[0],
        "last precision": true[kept - 1],
        "without stop": true[-1],
        "first coverage": float(polls[0].given.any(axis=1).mean()),
        "last coverage": float(polls[kept - 1].given.any(axis=1).mean()),
        "votes": float((labels.labels == own)[labels.accepted].mean()),
        "one head": sure,
        "estimated": float(np.nan_to_num(estimated[kept - 1])),
    }


def real(seed: int) -> Figures:
    """The whole run with the labeller, and with the default one."""
    return whole(seed, {"labeller": {"name": "voting"}})


CLAIM = Claim(
    id="S05a",
    says="Pseudo-label precision does not fall between rounds by more than 1 point, or the run"
    " stops; more records join, as precise as a single head's at equal coverage or more so.",
    bed="pair, five modalities with noise 0.8 to 2, 3,000 records, 16 labels per class",
    checks=[
        Check(
            what="largest fall of the true precision between rounds that were kept",
            value=lambda f: f["largest fall"],
            below=0.01,
        ),
        Check(
            what="coverage after the last kept round minus after the first",
            value=lambda f: f["last coverage"] - f["first coverage"],
            above=0.0,
        ),
        Check(
            what="precision of votes minus the best head's at equal coverage",
            value=lambda f: f["votes"] - f["one head"],
            above=0.0,
        ),
    ],
    direction=lambda f: f["votes"] > f["one head"],
    adds=GAINS,
)
