"""Figures by number of labels, beside heads made by hand on the same views.

``python -m benchmarks.label_efficiency RESULTS.jsonl --data DIR --bar SCRIPT`` runs the steps for
every set and draw of visible labels, and adds one JSON line for each cell to the results. Cells
that are there already are not run again, so it can be stopped at any time. ``--table`` prints the
results in Markdown and ``--plot FILE`` draws them; then nothing is run.

``DIR`` holds the real sets, which ``conf/`` describes. ``glyphs``, from five seeds of its recipe,
and the sets that scikit-learn brings are made where they are missing. Nothing but a name and what
the data mean is configured.

``SCRIPT`` receives the path of an ``.npz`` with the frozen views of all records (``view/NAME``,
``present/NAME``; a sparse one reduced), their ``labels``, and which are ``visible``, ``train`` and
``test``. It prints one JSON object with ``rows``, a name to figures. Without it there is no bar,
but for sets of classes, whose rows are made here (``benchmarks/_by_hand.py``).
"""

import argparse
import json
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _bundled, _by_hand
from benchmarks._efficiency import plot, table
from benchmarks._loop import ROOT, configured, drawn, walked
from components.config.run import DataConfig, Labels, RunConfig
from components.core.files import read_json
from components.features.store import Features

GLYPHS = "glyphs"
BUDGETS: dict[str, tuple[int, ...]] = {
    "dcss-monsters": (4, 25, 100),
    "esc10-audio": (4, 10),
    "av-digits": (4, 25, 100),
    GLYPHS: (4, 25, 100),
    "movie-posters": (4, 25, 100),
    "fashion-products": (4, 25, 100),
    **dict.fromkeys(_bundled.BUNDLED, _bundled.BUDGETS),
}
"""Labels per class of the draws of each set, quick sets first; ``all`` comes beside them."""
DRAWS, RECIPES = 3, (1, 2, 3, 4, 5)
"""Draws of labels of a real set, and recipes of glyphs: seed 0 is the one used in development."""


def draws(name: str) -> Iterator[str]:
    """The draws of a set, as ``25_seed0`` or ``25_recipe1``."""
    for k in (*BUDGETS[name], "all"):
        if name == GLYPHS:
            yield from (f"{k}_recipe{seed}" for seed in RECIPES)
        elif k == "all":
            yield k
        else:
            yield from (f"{k}_seed{seed}" for seed in range(DRAWS))


def configuration(name: str, draw: str, data: Path, made: Path) -> RunConfig:
    """What a cell runs."""
    if name in _bundled.BUNDLED:
        _bundled.make(made / name, name)
        labels = Labels(file="labelled.parquet", column="labelled_25_seed0")
        return drawn(
            RunConfig(name=name, data=DataConfig(uri=str(made / name), labels=labels)), draw
        )
    if name != GLYPHS:
        return configured(name, data / name, draw)
    from components.glyphs.glyphs import make_glyphs
    from components.glyphs.recipe import Recipe

    k, _, seed = draw.partition("_recipe")
    folder = made / f"recipe{seed}"
    if not folder.exists():
        make_glyphs(folder, Recipe(seed=int(seed)))
    labels = Labels(file="labelled.parquet", column=f"labelled_{k}_seed0")
    shown = DataConfig(uri=str(folder), labels=None if k == "all" else labels)
    return RunConfig(name=GLYPHS, data=shown)


def cell(name: str, draw: str, config: RunConfig, bar: Path | None) -> dict[str, Any]:
    """The figures of one set and one draw, on its test records."""
    run = walked(config, "evaluate", f"{name} {draw}")
    found = read_json(run.outputs["evaluate"] / "metrics.json")
    model, features = run.outputs["train"] / "model", Features.load(run.outputs["encode"])
    primary = found["primary"]
    best = found["best_single"]
    return {
        "set": name,
        "draw": draw,
        "figure": primary,
        "n": found["n"],
        "labels": found["label_budget"],
        "figures": {
            "concord": found[primary],
            "committee": (found.get("committee") or {}).get(primary),
            "rounds": with_rounds(features, model),
            "student": found["student"][primary],
            "labels alone": found["supervised_only"][primary],
            "single": best and best[primary],
        },
        "single": best and best["name"],
        "over single": found["intervals"]["fused_minus_best_single"],
        "subsets": {key: one[primary] for key, one in found["by_subset"].items()},
        "bar": _by_hand.rows(bar, features, model),
        "selection": found["selection"],
        "seconds": run.seconds,
    }


def with_rounds(features: Features, folder: Path) -> float:
    """The figure of a model that answers with its committee alone, after the graph's rounds."""
    from components.evaluation.held_out import HeldOut, infer_rows
    from components.model import storage
    from components.model.description import Mix

    model, held_out, target = storage.load(folder), HeldOut.of(features), features.target
    model.mix = Mix(network=0.0, committee=1.0)
    logits = infer_rows(model, features, held_out.rows).logits
    answers = target.answers(target.probabilities(logits))
    blank = np.isnan(logits).any(axis=1)
    answers[blank] = held_out.majority[blank]
    at = held_out.scored
    return target.metrics(held_out.labels[at], answers[at])[str(target.primary)]


def _turn(draw: str) -> int:
    return len(RECIPES) if draw == "all" else int(draw[-1])


def main() -> None:
    """Run the cells that are missing, or show those that are there."""
    from flows import engines

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--made", type=Path, default=ROOT / "data" / "recipes")
    parser.add_argument("--bar", type=Path, help="script that makes heads by hand")
    parser.add_argument("--sets", nargs="+", default=list(BUDGETS), choices=list(BUDGETS))
    parser.add_argument("--draws", nargs="+", default=["*"], help="patterns, such as 25_*")
    parser.add_argument("--table", action="store_true", help="print the results, run nothing")
    parser.add_argument("--plot", type=Path, help="draw the results, run nothing")
    chosen = parser.parse_args()
    lines = []
    if chosen.results.exists():
        lines = [json.loads(line) for line in chosen.results.read_text().splitlines()]
    if chosen.plot:
        plot(lines, chosen.plot)
    if chosen.table:
        sys.stdout.write(table(lines) + "\n")
    if chosen.plot or chosen.table:
        return
    engines.quiet()
    done = {(line["set"], line["draw"]) for line in lines}
    wanted = [
        (name, draw)
        for name in chosen.sets
        for draw in draws(name)
        if any(fnmatch(draw, pattern) for pattern in chosen.draws) and (name, draw) not in done
    ]
    # The first draw of every number of labels comes before the second of any.
    for name, draw in sorted(wanted, key=lambda one: _turn(one[1])):
        config = configuration(name, draw, chosen.data, chosen.made)
        line = cell(name, draw, config, chosen.bar)
        with chosen.results.open("a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
