"""Labels spread along a graph (S10)."""

import numpy as np

from benchmarks.methods import _beds, _real
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._labelling import few, given, side_by_side
from benchmarks.methods._whole import GAINS, whole
from components.evaluation.floor import nearest_prototype, probe, vote
from components.features.store import Features


def run(seed: int, short: bool) -> Figures:
    """Two labels of each class of glyphs; in the short form a bed of clusters."""
    if short:
        bed = _beds.bed("pair", seed, labels=2, records=1000, noise=1.0)
        return _arms(bed, _beds.truth(bed), seed)
    whole = _real.encoded("glyphs", "all", seed, training={"seed": 0})
    return _arms(few(whole, 2, seed), np.asarray(whole.labels), seed)


def real(seed: int) -> Figures:
    """The whole run with the labeller, and with the default one."""
    return whole(seed, {"labeller": {"name": "graph"}})


def _arms(features: Features, truth: np.ndarray, seed: int) -> Figures:
    """Transductive accuracy on the records of the pool whose class is known."""
    seen = given(features, seed)
    known = truth[seen.rows] >= 0
    own = truth[seen.rows]
    classes = len(features.classes)

    def right(labels: np.ndarray) -> float:
        return float((labels == own)[known].mean())

    rng = np.random.default_rng(seed)
    store = side_by_side(seen.views, seen.taught.labelled.rows)
    asked = side_by_side(seen.views, seen.rows)
    found = {
        "graph": right(seen.by("graph").labels),
        "graph, even weights": right(seen.by("graph", weights="even").labels),
        "probe": right(probe(store, seen.labels, asked, classes).argmax(axis=1)),
        "vote": right(vote(store, seen.labels, asked, classes).argmax(axis=1)),
        "prototype": right(nearest_prototype(store, seen.labels, asked, classes).argmax(axis=1)),
        "committee": right(seen.pool.fused.argmax(axis=1)),
        "shuffled": right(seen.seeing(lambda _, x: x[rng.permutation(len(x))]).by("graph").labels),
        "prior": float(np.bincount(own[known]).max() / known.sum()),
    }
    alone = []
    for column, name in enumerate(features.names):
        one = seen.seeing(lambda view, x, name=name: x if view.startswith(f"{name}/") else None)
        if features.present[seen.rows, column].any():
            alone.append(right(one.by("graph").labels))
    found["best modality"] = max(alone)
    return found


CLAIM = Claim(
    id="S10",
    says="With 2 labels per class transductive accuracy exceeds H01 and the nearest prototype; the"
    " fused graph is at least as good as the best single-modality graph; with shuffled neighbours"
    " it falls to the class prior.",
    bed="glyphs, 2 labels per class, the training records without a label",
    checks=[
        Check(
            what="accuracy minus the better of probe and vote",
            value=lambda f: f["graph"] - max(f["probe"], f["vote"]),
            above=0.0,
        ),
        Check(
            what="accuracy minus the nearest prototype's",
            value=lambda f: f["graph"] - f["prototype"],
            above=0.0,
        ),
        Check(
            what="fused graph minus the best modality's",
            value=lambda f: f["graph"] - f["best modality"],
            above=-0.01,
        ),
        Check(
            what="accuracy with shuffled neighbours minus the most common class",
            value=lambda f: f["shuffled"] - f["prior"],
            below=0.02,
        ),
    ],
    direction=lambda f: f["graph"] > f["vote"] and f["shuffled"] < f["prior"] + 0.1,
    adds=GAINS,
    note="Looked into: a path leads to 99.7% of the records; other k, a, weights and scaling by"
    " class change little. A vote over all views side by side is as good here.",
)
