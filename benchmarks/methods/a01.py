"""MLP projectors with very many pairs, against a map in closed form."""

from time import perf_counter

import numpy as np

from benchmarks.methods._aligned import BED, CONTRAST, across, gain, on_real, pair, steps, zero_shot
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

SLOW = True
CLAIM = Claim(
    id="A01",
    says="With very many pairs, MLP projectors trained in under 10 minutes on a processor reach "
    "zero-shot top-1 and recall@1 above the closed-form map (least squares); encoding again gives "
    "the same numbers.",
    bed=f"{BED}, which is linear; 12,000 pairs (50,000 were claimed), 900 test records, 300 steps "
    "of 256",
    checks=[
        Check(what="R@1 minus the map's", value=lambda f: f["r1"] - f["map r1"], above=0.0),
        Check(
            what="zero-shot top-1 minus the map's",
            value=lambda f: f["zero-shot"] - f["map zero-shot"],
            above=0.0,
        ),
        Check(what="minutes of training", value=lambda f: f["minutes"], below=10),
        Check(
            what="numbers that differ after encoding again", value=lambda f: f["differ"], below=1
        ),
    ],
    direction=lambda f: f["differ"] == 0 and f["r1"] > 0.1,
    adds=gain("in place of the linear projector"),
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 1 and zero-shot accuracy of both."""
    records = 1500 if short else 20_000
    features, again = pair(seed, records), pair(seed, records, labels=64)
    differ = sum(
        int(np.count_nonzero(np.asarray(x) != np.asarray(again.arrays[view])))
        for view, x in features.arrays.items()
    )
    features.splits[features.rows("test")[900:]] = "unused"
    how = steps(100 if short else 300, 256, len(features.rows("train")))
    begun = perf_counter()
    mlp = fitted(features, losses=CONTRAST, model={"projector": "mlp"}, training=how, seed=seed)
    minutes = (perf_counter() - begun) / 60
    closed = fitted(features, losses=CONTRAST, model={"projector": "maps"}, training={"epochs": 1})
    return {
        "r1": across(mlp, features),
        "zero-shot": zero_shot(mlp, features),
        "map r1": across(closed, features),
        "map zero-shot": zero_shot(closed, features),
        "minutes": minutes,
        "differ": float(differ),
    }


def real(seed: int) -> dict[str, float]:
    """The default with MLP projectors."""
    return on_real(seed, {"with": {"model": {"projector": "mlp"}}, "without": {}})
