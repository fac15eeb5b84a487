"""Does the score before training tell which pair of encoders aligns best?"""

import numpy as np
from scipy.stats import spearmanr

from benchmarks.methods._aligned import CONTRAST, across, pair
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted
from components.evaluation.agreement import agreements

SLOW = True
CLAIM = Claim(
    id="A02",
    says="Over at least 12 pairs, the rank correlation between the score (mutual nearest "
    "neighbours) and recall@1 after training is above 0.5; the pair with the best score beats the "
    "last pair.",
    bed="pair: eight modalities with noise from 0.2 to 1.2 in an order drawn by the seed stand for "
    "four encoders of each of two modalities, 16 pairs; 600 pairs to learn from",
    checks=[
        Check(what="rank correlation", value=lambda f: f["correlation"], above=0.5),
        Check(
            what="R@1 of the best-scored pair minus that of the last",
            value=lambda f: f["best r1"] - f["last r1"],
            above=0.0,
        ),
    ],
    direction=lambda f: f["correlation"] > 0,
    note="A report: it switches nothing on, so that there is nothing to add to the default.",
)
NOISE = (0.2, 0.45, 0.8, 1.2)


def run(seed: int, short: bool) -> dict[str, float]:
    """Rank correlation of scores and recall, and the recall of the best and of the last pair."""
    rng = np.random.default_rng(seed)
    noise = (*rng.permutation(NOISE).tolist(), *rng.permutation(NOISE).tolist())
    features = pair(seed, 1000, modalities=8, noise=noise)
    scores = {
        (one.first[0], one.second[0]): one.neighbours
        for one in agreements(features)
        if one.first[0] in "abcd" and one.second[0] in "efgh"
    }
    how = {"epochs": 3 if short else 15, "batch_size": 128}
    after = {
        names: across(fitted(features, losses=CONTRAST, training=how, names=names), features)
        for names in list(scores)[:: 4 if short else 1]
    }
    tried = list(after)
    best = max(tried, key=lambda names: scores[names])
    return {
        "correlation": float(
            spearmanr([scores[n] for n in tried], [after[n] for n in tried]).statistic
        ),
        "best r1": after[best],
        "last r1": after[max(tried)],
        "pairs": float(len(tried)),
    }
