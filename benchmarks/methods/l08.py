"""STRUCTURE beside InfoNCE, by the number of pairs."""

from benchmarks.methods._aligned import (
    BED,
    CONTRAST,
    across,
    gain,
    on_real,
    pair,
    steps,
    teacher_of_nothing,
    with_pairs,
    zero_shot,
)
from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._student import fitted

FAILS = "shuffled frozen vectors regularise as well as the right ones with few records"
CLAIM = Claim(
    id="L08",
    says="With 500 to 5,000 pairs, recall@1 and zero-shot top-1 rise against InfoNCE alone; with "
    "very many pairs the gap closes. Shuffled neighbourhoods must hurt.",
    bed=f"{BED}; 500 pairs, and 9,000 as very many (100,000 were claimed); 200 steps of 256",
    checks=[
        Check(
            what="R@1 with minus without, 500 pairs",
            value=lambda f: f["with 500 r1"] - f["without 500 r1"],
            above=0.0,
        ),
        Check(
            what="zero-shot top-1 with minus without, 500 pairs",
            value=lambda f: f["with 500 zero-shot"] - f["without 500 zero-shot"],
            above=0.0,
        ),
        Check(
            what="gain in R@1 at 500 pairs minus the gain at 9,000",
            value=lambda f: (
                (f["with 500 r1"] - f["without 500 r1"])
                - (f["with 9000 r1"] - f["without 9000 r1"])
            ),
            above=0.0,
        ),
        Check(
            what="R@1 with shuffled neighbourhoods minus without any, 500 pairs",
            value=lambda f: f["shuffled 500 r1"] - f["without 500 r1"],
            below=0.0,
        ),
    ],
    direction=lambda f: f["shuffled 500 r1"] < f["with 500 r1"],
    adds=gain("beside InfoNCE"),
)
BOTH: dict[str, dict[str, float]] = {"info_nce": {}, "neighbourhood": {"weight": 10.0}}


def run(seed: int, short: bool) -> dict[str, float]:
    """Recall at 1 and zero-shot accuracy by arm and pairs."""
    whole = pair(seed, 1500 if short else 15_000)
    # The same test records for both, as many as a small set has.
    whole.splits[whole.rows("test")[900:]] = "unused"
    found = {}
    for count in (500,) if short else (500, 9_000):
        few = with_pairs(whole, count)
        how = steps(50 if short else 200, 256, len(few.rows("train")))

        def measured(arm: str, losses: dict[str, dict[str, float]]) -> None:
            model = fitted(few, losses=losses, training=how, seed=seed)  # noqa: B023
            found[f"{arm} {count} r1"] = across(model, few)  # noqa: B023
            found[f"{arm} {count} zero-shot"] = zero_shot(model, few)  # noqa: B023

        measured("without", CONTRAST)
        measured("with", BOTH)
        if count == 500:
            with teacher_of_nothing():
                measured("shuffled", BOTH)
    return found


def real(seed: int) -> dict[str, float]:
    """The default with it, beside InfoNCE."""
    return on_real(seed, {"with": {"losses": {"cross_entropy": {}, **BOTH}}, "without": {}})
