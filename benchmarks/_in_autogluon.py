"""One AutoGluon fit and its accuracy: run by ``benchmarks.autogluon_bar`` in AutoGluon's Python.

It imports nothing of this repository. ``FOLDER`` holds ``seen.csv`` (labelled records),
``test.csv``, and ``asked.json`` with ``images`` (columns of paths), ``seconds``, and
``checkpoints``: folders of an image and of a text encoder, or null for those that AutoGluon
downloads. Prints one JSON line.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from autogluon.multimodal import MultiModalPredictor

SIZE = 192
"""Height and width of pictures, as Concord reads them."""


def options(checkpoints: dict[str, str] | None, columns: dict[str, str]) -> dict[str, Any]:
    """Hyperparameters: AutoGluon's own, or the encoders of these folders in their place."""
    if checkpoints is None:
        return {}
    kinds = set(columns.values())
    names = [
        *(["timm_image"] if "image_path" in kinds else []),
        *(["hf_text"] if "text" in kinds else []),
        *(["numerical_mlp"] if "numerical" in kinds else []),
        *(["categorical_mlp"] if "categorical" in kinds else []),
    ]
    return {
        "model.names": [*names, *(["fusion_mlp"] if len(names) > 1 else [])],
        "model.timm_image.checkpoint_name": checkpoints["image"],
        "model.timm_image.image_size": SIZE,
        "model.hf_text.checkpoint_name": checkpoints["text"],
        "env.num_workers": 0,
        "env.num_workers_inference": 0,
    }


def main() -> None:
    """Fit, predict, print."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text())
    seen, test = (pd.read_csv(folder / f"{name}.csv") for name in ("seen", "test"))
    columns: dict[str, str] = asked["columns"]
    for name, kind in columns.items():
        if kind != "numerical":
            seen[name], test[name] = (
                seen[name].fillna("").astype(str),
                test[name].fillna("").astype(str),
            )
    predictor = MultiModalPredictor(
        label="label", problem_type="multiclass", path=str(folder / "model"), verbosity=1
    )
    start = time.monotonic()
    predictor.fit(
        seen,
        time_limit=asked["seconds"],
        column_types=columns,
        hyperparameters=options(asked["checkpoints"], columns),
        seed=0,
    )
    seconds = time.monotonic() - start
    accuracy = float((predictor.predict(test.drop(columns="label")) == test["label"]).mean())
    sys.stdout.write("\n" + json.dumps({"accuracy": accuracy, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
