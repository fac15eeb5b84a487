"""Does the score before training tell which layers of two models align best?"""

from scipy.stats import spearmanr

from benchmarks.methods._aligned import CONTRAST, across
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._layered import PICTURE_LAYERS, TEXT_LAYERS, glyphs_by_layer
from benchmarks.methods._student import fitted
from components.evaluation.agreement import agreements

SLOW = True
CLAIM = Claim(
    id="A02a",
    says="Over at least 12 pairs of layers, the rank correlation between the score (mutual nearest "
    "neighbours) and recall@1 after training is above 0.5; the pair with the best score beats the "
    "pair of last layers.",
    bed="pictures and names of 900 characters drawn by the seed (600 to learn from, 300 for tests):"
    " the four layers of a small ViT that learned the families of the other 4,910, and the six of "
    "all-MiniLM-L6-v2, 24 pairs",
    checks=[
        Check(what="rank correlation", value=lambda f: f["correlation"], above=0.5),
        Check(
            what="R@1 of the best-scored pair minus that of the last layers",
            value=lambda f: f["best r1"] - f["last r1"],
            above=0.0,
        ),
    ],
    direction=lambda f: f["correlation"] > 0,
    note="A report: it switches nothing on, so that there is nothing to add to the default.",
)
LAST = (f"image/{PICTURE_LAYERS}", f"text/{TEXT_LAYERS}")


def run(seed: int, short: bool) -> dict[str, float]:
    """Rank correlation of scores and recall, and the recall of the best, last and all pairs."""
    features = glyphs_by_layer(seed, short)
    scores = {(one.first, one.second): one.neighbours for one in agreements(features)}
    how = {"epochs": 3 if short else 15, "batch_size": 128}
    after = {}
    for views in dict.fromkeys([LAST, *list(scores)[:: 8 if short else 1]]):
        own = features.without([view for view in features.arrays if view not in views])
        after[views] = across(fitted(own, losses=CONTRAST, training=how), own)
    best = max(after, key=lambda views: scores[views])
    return {
        "correlation": float(spearmanr([scores[n] for n in after], [*after.values()]).statistic),
        "best r1": after[best],
        "last r1": after[LAST],
        "mean r1": sum(after.values()) / len(after),
        "top r1": max(after.values()),
        "pairs": float(len(after)),
    }
