"""What a method adds to whole runs on a real set: Concord's default with it and without it."""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks._loop import walked
from benchmarks.methods._claim import Figures
from benchmarks.methods._real import config_of
from benchmarks.methods._student import answers, right
from components.features.store import Features
from components.model import storage
from components.model.description import Mix

SET, BUDGETS = "dcss-monsters", (4, 25)
NOTHING: Mapping[str, Any] = {}
ALIGNED: dict[str, dict[str, Any]] = {"cross_entropy": {}, "info_nce": {"weight": 1.0}}
"""The losses of the default, to add another to."""


def _gain(arm: str) -> Callable[[Figures], float]:
    return lambda f: f[f"with, {arm}"] - f[f"without, {arm}"]


GAINS = {
    **{f"{k} labels": _gain(f"{k} labels") for k in BUDGETS},
    **{f"student, {k} labels": _gain(f"student, {k} labels") for k in BUDGETS},
}
"""What ``Claim.adds`` shows of ``whole``: accuracy of what answers, and of the student alone."""


def whole(
    seed: int, changed: Mapping[str, Any] = NOTHING, without: Mapping[str, Any] = NOTHING
) -> Figures:
    """Test accuracy with a method and without it, by labels for each class.

    It is the whole run but for baselines and report, which change no answer.

    Args:
        seed: of the draw of labels and of the training.
        changed: blocks of the configuration that switch the method on.
        without: blocks that switch it off, where it is part of the default.
    """
    found = {}
    for k in BUDGETS:
        for arm, blocks in (("with", changed), ("without", without)):
            config = config_of(SET, k, seed, **blocks)
            out = walked(config, "train", f"{SET} {k} {seed} {blocks}").outputs
            features, model = Features.load(out["encode"]), storage.load(out["train"] / "model")
            test = features.rows("test", labelled=True)
            both = answers(model, features, test).logits
            model.mix = Mix(network=1.0, committee=0.0)
            alone = answers(model, features, test).logits
            found[f"{arm}, {k} labels"] = right(features, test, both)
            found[f"{arm}, student, {k} labels"] = right(features, test, alone)
    return found
