"""AutoGluon's MultiModalPredictor on the same labels, in the time that Concord took and in more.

``python -m benchmarks.autogluon_bar OUT.jsonl --cells RESULTS.jsonl --python PATH --data DIR``
reads the cells at 25 labels per class of ``benchmarks.label_efficiency``, and fits AutoGluon to the
same visible labels of each, once within the seconds of Concord's whole run and once within ten
times as many. One JSON line is added for each fit; those that are there are not run again.

``PATH`` is the Python of an environment of AutoGluon's own, outside of this repository::

    uv venv ag && uv pip install --python ag/bin/python autogluon.multimodal==1.6.3

AutoGluon downloads its encoders when they are first used. Where that cannot be, ``--same-encoders``
gives it the pictures' and the texts' encoder that Concord uses (EfficientNet-Lite0 and MiniLM),
which it then fits end to end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks._loop import CONF, ROOT
from components.parts.encoders import _lite, _minilm

SCRIPT = Path(__file__).with_name("_in_autogluon.py")
SETS, LABELS, FACTORS = ("fashion-products", "dcss-monsters"), "25", (1, 10)
KINDS = {"number": "numerical", "category": "categorical", "set": "text"}
"""AutoGluon has no sets; one is read as a text of its members."""
_CONVERT = """
import json, sys, numpy as np, timm, torch
model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
given = np.load(sys.argv[1])
own = model.state_dict()
for name, key in zip(own, given.files, strict=True):
    assert own[name].shape == given[key].shape, (name, key)
    own[name] = torch.from_numpy(given[key])
own = {name: value for name, value in own.items() if not name.startswith("classifier.")}
torch.save(own, sys.argv[2] + "/pytorch_model.bin")
config = {**model.default_cfg, "num_features": model.num_features, "pretrained_cfg": {}}
json.dump(config, open(sys.argv[2] + "/config.json", "w"))
"""
"""Writes a folder that AutoGluon opens: both name the same tensors in the same order."""


def encoders(python: Path, folder: Path) -> dict[str, str]:
    """Folders of the two encoders that Concord reads, as AutoGluon opens them."""
    import numpy as np

    from components.parts.encoders import _pth

    (folder / "lite").mkdir()
    np.savez(folder / "lite.npz", **_pth.read(_lite.path()))
    asked = [str(python), "-c", _CONVERT, str(folder / "lite.npz"), str(folder / "lite")]
    subprocess.run(asked, check=True)
    return {"image": str(folder / "lite"), "text": str(_minilm.folder())}


def written(name: str, data: Path, draw: str, folder: Path) -> dict[str, str]:
    """Write ``seen.csv``, ``test.csv`` and the pictures; the kind of each column is returned."""
    manifest = yaml.safe_load((CONF / f"{name}.dataset.yaml").read_text())
    records = pd.read_parquet(data / "records.parquet")
    columns: dict[str, str] = {}
    for modality in manifest["modalities"].values():
        for column, spec in modality.get("columns", {}).items():
            columns[column] = KINDS[spec["type"]]
        if "column" in modality:
            columns[modality["column"]] = {"image": "image_path"}.get(modality["kind"], "text")
    for column in [column for column, kind in columns.items() if kind == "image_path"]:
        records[column] = _unpacked(data, records[column], folder)
    records = records[["id", "split", *columns, manifest["target"]["column"]]]
    records = records.rename(columns={manifest["target"]["column"]: "label"})
    for column in [column for column, kind in columns.items() if kind == "numerical"]:
        records[column] = records[column].astype(float)
    flags = pd.read_parquet(data / "labelled.parquet")
    seen = records["id"].isin(flags["id"][flags[f"labelled_{draw}"]])
    test = (records["split"] == "test") & records["label"].notna()
    for file, rows in (("seen", seen), ("test", test)):
        records[rows].drop(columns=["id", "split"]).to_csv(folder / f"{file}.csv", index=False)
    return columns


def _unpacked(data: Path, paths: pd.Series, folder: Path) -> pd.Series:
    """Write the media files; the column with their places, empty where there is none."""
    wanted = set(paths.dropna())
    for file in sorted((data / "media").glob("*.parquet")):
        packed = pd.read_parquet(file)
        for path, content in zip(packed["path"], packed["bytes"], strict=True):
            if path in wanted:
                place = folder / "media" / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
    return paths.map(lambda path: str(folder / "media" / path), na_action="ignore")


def fitted(python: Path, folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Figures of one fit, or what it failed with."""
    (folder / "asked.json").write_text(json.dumps(asked))
    said = subprocess.run(
        [str(python), str(SCRIPT), str(folder)], capture_output=True, text=True, check=False
    )
    if said.returncode:
        return {"failed": " ".join(said.stderr.strip().splitlines()[-2:])}
    found: dict[str, Any] = json.loads(said.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Fit what is missing and print every line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--factors", type=float, nargs="+", default=list(FACTORS))
    parser.add_argument("--same-encoders", action="store_true")
    chosen = parser.parse_args()
    lines = chosen.out.read_text().splitlines() if chosen.out.exists() else []
    encoders_of = "Concord's" if chosen.same_encoders else "AutoGluon's"
    done = {
        (one["set"], one["draw"], one["factor"])
        for one in map(json.loads, lines)
        if one["encoders"] == encoders_of and "failed" not in one
    }
    cells = [json.loads(line) for line in chosen.cells.read_text().splitlines()]
    for cell in cells:
        name, draw = cell["set"], cell["draw"]
        if name not in SETS or not draw.startswith(f"{LABELS}_"):
            continue
        for factor in chosen.factors:
            if (name, draw, factor) in done:
                continue
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                columns = written(name, chosen.data / name, draw, folder)
                checkpoints = encoders(chosen.python, folder) if chosen.same_encoders else None
                seconds = factor * sum(cell["seconds"].values())
                asked = {"columns": columns, "seconds": seconds, "checkpoints": checkpoints}
                found = fitted(chosen.python, folder, asked)
            line = {
                "set": name, "draw": draw, "factor": factor, "allowed": round(seconds, 1),
                "encoders": encoders_of,
                "concord": cell["figures"]["concord"], **found,
            }  # fmt: skip
            with chosen.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
