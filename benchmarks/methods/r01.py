"""The approximate index against the exact one, and several modalities joined by rank."""

import numpy as np

from benchmarks.methods._aligned import BED, CONTRAST, pair
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import answers, fitted
from components.parts import loading as parts
from components.prediction.searcher import joined_by_rank

SLOW = True
CLAIM = Claim(
    id="R01",
    says="The approximate index gives at least 0.98 of the exact recall@10; a ranking joined from "
    "several modalities is at least as good as the best single one by nDCG@10.",
    bed=f"{BED}, three modalities: a query has two and the third is searched, among 24,000 records "
    "(glyphs were claimed: its index is below the size from which a graph is built)",
    checks=[
        Check(
            what="approximate over exact recall@10",
            value=lambda f: f["approximate r10"] / f["exact r10"],
            above=0.98,
        ),
        Check(
            what="nDCG@10 joined minus the best single modality",
            value=lambda f: f["joined"] - max(f["a"], f["b"]),
            above=0.0,
        ),
    ],
    direction=lambda f: f["joined"] > max(f["a"], f["b"]) - 0.05,
    note="There is no default without an index.",
)
QUERIES = 300


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 10 of both indexes and nDCG at 10 of each query's modalities and of both."""
    features = pair(seed, 1500 if short else 24_000, modalities=3)
    how = {"epochs": 3 if short else 10, "batch_size": 256}
    model = fitted(features, losses=CONTRAST, training=how, seed=seed)
    every = answers(model, features, np.arange(len(features.ids))).embeddings
    asked = features.rows("test")[:QUERIES]
    found: dict[str, float] = {}
    lists: dict[str, list[list[tuple[float, str]]]] = {}
    for family in ("exact", "approximate"):
        part = parts.load("index", family)
        index = part.build(parts.configure("index", family, {}), dim=every["c"].shape[1])
        index.upsert(features.ids, every["c"], {})
        for name in ("a", "b"):
            hits = index.search(every[name][asked], 1000 if family == "exact" else 10)
            right = [
                features.ids[row] in one.ids[:10] for row, one in zip(asked, hits, strict=True)
            ]
            found[f"{family} r10"] = found.get(f"{family} r10", 0.0) + float(np.mean(right)) / 2
            if family == "exact":
                lists[name] = [
                    [(-float(s), i) for s, i in zip(one.scores, one.ids, strict=True)]
                    for one in hits
                ]
    lists["joined"] = [joined_by_rank(both) for both in zip(lists["a"], lists["b"], strict=True)]
    return found | {
        name: float(
            np.mean([_gain(one, features.ids[r]) for one, r in zip(own, asked, strict=True)])
        )
        for name, own in lists.items()
    }


def _gain(ranked: list[tuple[float, str]], wanted: str) -> float:
    """Normalised discounted gain at 10, where one record is right."""
    first = [record for _, record in ranked[:10]]
    return float(1 / np.log2(2 + first.index(wanted))) if wanted in first else 0.0
