"""Sigmoid pairs against InfoNCE, by the size of a batch."""

from benchmarks.methods._aligned import BED, across, gain, on_real, pair, steps
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

SLOW = True
CLAIM = Claim(
    id="L01b",
    says="Sigmoid pairs match InfoNCE at a batch of 256 and lose less at a batch of 32.",
    bed=f"{BED}; 3,600 pairs, 200 steps whatever the batch",
    checks=[
        Check(
            what="R@1 of sigmoid minus InfoNCE, batch 256 (matches: within 0.02)",
            value=lambda f: f["sigmoid 256"] - f["info_nce 256"],
            above=-0.02,
        ),
        Check(
            what="what InfoNCE loses from 256 to 32 minus what sigmoid loses",
            value=lambda f: (
                (f["info_nce 256"] - f["info_nce 32"]) - (f["sigmoid 256"] - f["sigmoid 32"])
            ),
            above=0.0,
        ),
    ],
    direction=lambda f: f["sigmoid 256"] > f["info_nce 256"] - 0.1,
    adds=gain("in place of InfoNCE"),
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 1 by loss and batch."""
    features = pair(seed, 1500 if short else 6000)
    known = len(features.rows("train"))
    return {
        f"{name} {batch}": across(
            fitted(features, losses={loss: {}}, training=steps(60 if short else 200, batch, known)),
            features,
        )
        for name, loss in (("info_nce", "info_nce"), ("sigmoid", "sigmoid_pairs"))
        for batch in (256, 32)
    }


def real(seed: int) -> dict[str, float]:
    """The default with sigmoid pairs in place of InfoNCE."""
    sigmoid = {"losses": {"cross_entropy": {}, "sigmoid_pairs": {}}}
    return on_real(seed, {"with": sigmoid, "without": {}})
