"""FixMatch: weak and strong views of unlabelled records."""

from benchmarks.methods import _beds, _real
from benchmarks.methods._claim import Check, Claim, Figures
from benchmarks.methods._online import softmax, steps, truth_of
from benchmarks.methods._student import answers, f1, fitted, right
from benchmarks.methods._whole import GAINS, whole
from components.training.data import training_data

FIXMATCH = {"name": "fixmatch"}
ARMS = {
    "labels": None,
    "fixmatch": FIXMATCH,
    "threshold 0": {**FIXMATCH, "threshold": 0.0},
}
SLOW = True

CLAIM = Claim(
    id="S01",
    says="With 4 labels per class, macro-F1 rises against the same network trained on the labels "
    "alone; kept pseudo-labels are more precise than validation answers; with t = 0 the gain "
    "shrinks or turns negative.",
    bed="glyphs (picture, name, facts; 4 labels per class); 400 steps with labels alone in each",
    checks=(
        Check(
            what="macro-F1 with FixMatch minus labels alone",
            value=lambda f: f["fixmatch"] - f["labels"],
            above=0.0,
        ),
        Check(
            what="precision of what is kept minus validation accuracy",
            value=lambda f: f["precision"] - f["validation"],
            above=0.0,
        ),
        Check(
            what="macro-F1 with t = 0.95 minus t = 0",
            value=lambda f: f["fixmatch"] - f["threshold 0"],
            above=0.0,
        ),
    ),
    direction=lambda f: f["fixmatch"] > f["labels"] and f["precision"] > f["validation"],
    adds=GAINS,
)


def run(seed: int, *, short: bool) -> Figures:
    """Macro-F1 of each arm on the test split; the short form is made on `pair`."""
    if short:
        features = _beds.bed("pair", seed, labels=4, records=1200, strength=3.0, classes=6)
        whole = _beds.truth(features)
    else:
        features = _real.encoded("glyphs", 4, seed)
        whole = truth_of(features, seed)
    rows, val = features.rows("test", labelled=True), features.rows("val", labelled=True)
    found = {}
    for arm, ssl in ARMS.items():
        network = fitted(features, ssl=ssl, seed=seed, training=steps(features, short=short))
        found[arm] = f1(features, rows, answers(network, features, rows).logits)
        if arm == "fixmatch":
            hidden = training_data(features).hidden
            logits = answers(network, features, hidden).logits
            sure = softmax(logits).max(1) >= 0.95
            found["kept"] = sure.mean()
            right_ones = logits[sure].argmax(1) == whole[hidden[sure]]
            found["precision"] = right_ones.mean() if sure.any() else 0.0
            found["validation"] = right(features, val, answers(network, features, val).logits)
    return found


def real(seed: int) -> Figures:
    """The default of a real set with and without it."""
    return whole(seed, {"ssl": FIXMATCH})
