"""Canonical directions against least squares, with fewer pairs than dimensions."""

from benchmarks.methods._aligned import CONTRAST, across, gain, on_real, pair, with_pairs
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

SLOW = True
CLAIM = Claim(
    id="A03b",
    says="Main or canonical directions of each side first beat least squares alone when pairs are "
    "fewer than dimensions.",
    bed="pair: 256 numbers of each modality, noise 0.3, 90% shared; 100 pairs, 32 directions",
    checks=[
        Check(
            what="R@1 of the better of main and canonical directions first minus least squares",
            value=lambda f: max(f["main"], f["canonical"]) - f["least squares"],
            above=0.0,
        )
    ],
    direction=lambda f: f["main"] > 0.02,
    adds=gain("frozen maps, canonical, in place of the linear projector"),
)
ARMS = {
    "main": {"method": "least_squares", "rank": 32},
    "canonical": {"method": "cca", "rank": 32},
    "least squares": {"method": "least_squares"},
}


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 1 of each."""
    few = with_pairs(pair(seed, 600 if short else 2000, dim=256, noise=0.3), 100)
    found = {}
    for name, options in ARMS.items():
        maps = {"projector": {"name": "maps", **options}}
        found[name] = across(fitted(few, losses=CONTRAST, model=maps, training={"epochs": 1}), few)
    return found


def real(seed: int) -> dict[str, float]:
    """The default with maps by canonical correlation."""
    maps = {"model": {"projector": {"name": "maps", "method": "cca", "rank": 32}}}
    return on_real(seed, {"with": maps, "without": {}})
