"""Accuracy by number of labels, beside heads made by hand on the same views.

``python -m benchmarks.label_efficiency RESULTS.jsonl --data DIR --bar SCRIPT`` runs the steps with
the configuration of each set in ``conf/`` for each draw of visible labels, and adds one JSON line
for each cell to the results. Cells that are there already are not run again. ``SCRIPT`` receives
the path of an ``.npz`` with the frozen views of all records (``view/NAME``, ``present/NAME``; a
sparse one reduced), their ``labels``, and which are ``visible``, ``train`` and ``test``. It prints
one JSON object with ``rows``, a name to figures. Without it there is no bar. The table is printed
at the end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.floors import ROOT, steps
from components.core.files import read_json
from components.features.store import Features

SETS = ("dcss-monsters", "fashion-products")
DRAWS = tuple(f"{k}_seed{seed}" for k in (4, 25, 100) for seed in range(3))


def cell(name: str, data: Path, draw: str, bar: Path | None) -> dict[str, Any]:
    """The figures of one set and one draw, on its test records."""
    start = time.monotonic()
    outputs, _ = steps(name, data, draw)
    seconds = round(time.monotonic() - start, 1)
    found = read_json(outputs["evaluate"] / "metrics.json")
    selection = read_json(outputs["train"] / "selection.json")
    figures = {
        "concord": found["accuracy"],
        "network, labels alone": found["supervised_only"]["accuracy"],
        "network, student": found["student"]["accuracy"],
        "best single network": found["best_single"]["accuracy"],
    }
    rows = by_hand(bar, data, outputs) if bar else {}
    return {
        "set": name,
        "draw": draw,
        "n": found["n"],
        "labels": found["label_budget"]["train"],
        "figures": figures,
        "bar": {row: one["accuracy"] for row, one in rows.items()},
        "answers": selection.get("answers", {}).get("chosen"),
        "seconds": seconds,
    }


def by_hand(bar: Path, data: Path, outputs: dict[str, Path]) -> dict[str, dict[str, float]]:
    """What the script makes of the views that the run has cached."""
    features = Features.load(outputs["encode"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "views.npz"
        np.savez(path, **_views(features, data, outputs["teach"]))
        asked = [sys.executable, str(bar), str(path)]
        said = subprocess.run(asked, check=True, capture_output=True, text=True)
    rows: dict[str, dict[str, float]] = json.loads(said.stdout)["rows"]
    return rows


def _views(features: Features, data: Path, teacher: Path) -> dict[str, np.ndarray]:
    import torch

    from components.model import network as models
    from components.training.light import light_views, ways

    table = pq.read_table(data / "records.parquet", columns=["id", "label"])
    known = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    truth = [known[i] for i in features.ids]
    model = models.load(teacher)
    views = light_views(model, features, ways(model, features))
    found = dict(views.features)
    for view in found:
        if view in model.encoders:  # as it is, neither standardised nor shortened
            inputs = torch.from_numpy(np.asarray(features.arrays[view]))
            with torch.inference_mode():
                found[view] = model.encoders[view].light(inputs).numpy()
    return {
        "labels": features.target.encode(truth),
        "visible": (features.splits == "train") & features.target.labelled(features.labels),
        "train": features.splits == "train",
        "test": features.splits == "test",
        **{f"view/{view.replace('/', '-')}": x for view, x in found.items()},
        **{f"present/{view.replace('/', '-')}": x for view, x in views.present.items()},
    }


def table(lines: list[dict[str, Any]]) -> str:
    """The means over draws in Markdown, one line for each set and number of labels."""
    text = ["| set | labels per class | draws | Concord | best row by hand | network | student |"]
    text.append("|---|---|---|---|---|---|---|")
    keys = [(line["set"], line["draw"].split("_")[0]) for line in lines]
    for key in dict.fromkeys(keys):
        own = [line for line, one in zip(lines, keys, strict=True) if one == key]
        rows = {row: np.mean([line["bar"][row] for line in own]) for row in own[0]["bar"]}
        best = max(rows, key=lambda row: rows[row], default=None)
        hand = f"{rows[best]:.3f} ({best})" if best else "-"
        mean = {
            name: np.mean([line["figures"][name] for line in own]) for name in own[0]["figures"]
        }
        text.append(
            f"| {key[0]} | {key[1]} | {len(own)} | {mean['concord']:.3f} | {hand} "
            f"| {mean['network, labels alone']:.3f} | {mean['network, student']:.3f} |"
        )
    return "\n".join(text)


def main() -> None:
    """Run the cells that are missing."""
    from flows import engines

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--bar", type=Path, help="script that makes heads by hand")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--draws", nargs="+", default=list(DRAWS))
    chosen = parser.parse_args()
    engines.quiet()
    lines = []
    if chosen.results.exists():
        lines = [json.loads(line) for line in chosen.results.read_text().splitlines()]
    done = {(line["set"], line["draw"]) for line in lines}
    for name in chosen.sets:
        for draw in chosen.draws:
            if (name, draw) not in done:
                lines.append(cell(name, chosen.data / name, draw, chosen.bar))
                with chosen.results.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
    sys.stdout.write(table(lines) + "\n")


if __name__ == "__main__":
    main()
