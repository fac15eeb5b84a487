"""A head trained on relative representations of one encoder, asked with those of another."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.methods._aligned import CONTRAST, gain, on_real, pair, vectors
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

SLOW = True
CLAIM = Claim(
    id="A03c",
    says="A head trained on relative representations from one encoder keeps most of its accuracy "
    "on those of another.",
    bed="pair: two modalities that share all but noise 0.4 stand for two encoders of one thing; 64 "
    "anchors",
    checks=[
        Check(
            what="share of the accuracy above chance that is kept (most: over a half)",
            value=lambda f: (f["other"] - f["chance"]) / (f["own"] - f["chance"]),
            above=0.5,
        )
    ],
    direction=lambda f: f["other"] > f["chance"],
    adds=gain("frozen maps in place of the linear projector"),
)


def run(seed: int, short: bool) -> dict[str, float]:
    """Accuracy of the head on both encoders."""
    features = pair(seed, 600 if short else 3000, shared=1.0)
    relative = {"projector": {"name": "maps", "method": "relative"}}
    model = fitted(features, losses=CONTRAST, model=relative, training={"epochs": 1})
    train, test = (vectors(model, features, split) for split in ("train", "test"))
    labels = {split: features.labels[features.rows(split)] for split in ("train", "test")}
    head = LogisticRegression(max_iter=2000).fit(train["a"], labels["train"])
    return {
        "own": float(head.score(test["a"], labels["test"])),
        "other": float(head.score(test["b"], labels["test"])),
        "chance": float(np.bincount(labels["test"]).max() / len(labels["test"])),
    }


def real(seed: int) -> dict[str, float]:
    """The default with relative representations."""
    maps = {"model": {"projector": {"name": "maps", "method": "relative"}}}
    return on_real(seed, {"with": maps, "without": {}})
