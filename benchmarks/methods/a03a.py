"""Least squares against MLP projectors, with few pairs."""

from time import perf_counter

from benchmarks.methods._aligned import (
    BED,
    CONTRAST,
    across,
    gain,
    on_real,
    pair,
    steps,
    with_pairs,
)
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

SLOW = True
CLAIM = Claim(
    id="A03a",
    says="With 200 to 2,000 pairs, recall@1 of least squares exceeds that of trained MLP "
    "projectors, and fitting takes seconds.",
    bed=f"{BED}; 200 and 2,000 pairs, 200 steps of 128 for the MLP",
    checks=[
        Check(
            what=f"R@1 of least squares minus MLP, {count} pairs",
            value=lambda f, count=count: f[f"map {count}"] - f[f"mlp {count}"],  # type: ignore[misc]
            above=0.0,
        )
        for count in (200, 2000)
    ]
    + [Check(what="seconds of the fit", value=lambda f: f["seconds"], below=10)],
    direction=lambda f: f["map 200"] > 0.05,
    adds=gain("frozen maps in place of the linear projector"),
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 1 of both by pairs, and how long the maps and one epoch of heads took."""
    features = pair(seed, 1000 if short else 4000)
    found, seconds = {}, 0.0
    for count in (200,) if short else (200, 2000):
        few = with_pairs(features, count)
        how = steps(60 if short else 200, 128, len(few.rows("train")))
        mlp = fitted(few, losses=CONTRAST, model={"projector": "mlp"}, training=how, seed=seed)
        begun = perf_counter()
        closed = fitted(few, losses=CONTRAST, model={"projector": "maps"}, training={"epochs": 1})
        seconds = max(seconds, perf_counter() - begun)
        found |= {f"mlp {count}": across(mlp, few), f"map {count}": across(closed, few)}
    return found | {"seconds": seconds}


def real(seed: int) -> dict[str, float]:
    """The default with maps by least squares."""
    return on_real(seed, {"with": {"model": {"projector": "maps"}}, "without": {}})
