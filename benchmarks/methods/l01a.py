"""InfoNCE against a map in closed form, by the number of pairs."""

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
    id="L01a",
    says="Recall@1 of trained projectors exceeds that of the closed-form map (least squares) once "
    "pairs exceed about 10 times the dimensions.",
    bed=f"{BED}; 3,200 pairs, 100 times the dimensions, and 160 beside",
    checks=[
        Check(
            what="R@1 of trained minus least squares, 3,200 pairs",
            value=lambda f: f["trained 3200"] - f["map 3200"],
            above=0.0,
        )
    ],
    direction=lambda f: f["trained 3200"] > 0.1,
    adds=gain("the default has it, so without it is labels alone"),
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 1 of both, by pairs."""
    features = pair(seed, 2000 if short else 6000)
    found = {}
    for count in (3200,) if short else (160, 640, 3200):
        few = with_pairs(features, count)
        known = len(few.rows("train"))
        trained = fitted(few, losses=CONTRAST, training=steps(100 if short else 200, 128, known))
        closed = fitted(few, losses=CONTRAST, model={"projector": "maps"}, training={"epochs": 1})
        found[f"trained {count}"] = across(trained, few)
        found[f"map {count}"] = across(closed, few)
    return found


def real(seed: int) -> dict[str, float]:
    """The default, and labels alone."""
    return on_real(seed, {"with": {}, "without": {"losses": {"cross_entropy": {}}}})
