"""Student against the floor on real sets: ``python -m benchmarks.floors --data DIR``.

The floor is logistic regression on raw features (pictures: 120 principal components of 32 x 32
pixels; text: TF-IDF of words and pairs; numbers scaled, categories one-hot), fitted on the same
visible labels. Both are measured on the test split, with the paired bootstrap interval of their
difference. Prints one JSON line per draw, then a table.

``--floors-only`` runs no training and prints two floors for each draw: the one above, and the same
with each block of features scaled to the same norm and less regularisation, which is stronger.
"""

import argparse
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks._loop import CONF, ROOT, configured, walked

DRAWS = ("25_seed0", "25_seed1", "25_seed2", "all")
EPOCHS_OF_ALL = {"epochs": 16}
"""With every label visible there is nothing to label, and an epoch has many more steps."""
PUBLISHED = {"fashion-products": (0.600, 0.818), "dcss-monsters": (0.739, 0.849)}
"""Floors that the sets' authors of baselines give: 25 labels per class, and all."""
_NUMBERS = [
    "hd",
    "hp",
    "ac",
    "ev",
    "will",
    "will_per_hd",
    "speed",
    "exp",
    "n_attacks",
    "max_damage",
]
_CATEGORIES = ["size", "shape", "intelligence", "uses", "habitat", "shout"]


def floor(data: Path, text: str, draw: str, tabular: bool, even: bool = False) -> dict[str, str]:
    """Map each test record's id to the class that logistic regression predicts.

    Args:
        data: the set.
        text: its text column.
        draw: which labels are visible.
        tabular: whether it has facts.
        even: whether blocks are scaled to the same norm (C is then 10, else 1).
    """
    import scipy.sparse as sp
    from sklearn.decomposition import PCA
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    records = pd.read_parquet(data / "records.parquet")
    train = (records["split"] == "train").to_numpy()
    pixels = _pixels(data, records["image"])
    pictures = (
        PCA(120, random_state=0, svd_solver="randomized").fit(pixels[train]).transform(pixels)
    )
    words = records[text].fillna("")
    blocks = [
        sp.csr_matrix(pictures),
        TfidfVectorizer(ngram_range=(1, 2)).fit(words[train]).transform(words),
    ]
    if tabular:
        names = [*_NUMBERS, *(c for c in records if c.startswith("res_"))]
        numbers = records[names].astype(float).fillna(0)
        categories = records[_CATEGORIES].fillna("?")
        blocks.append(sp.csr_matrix(StandardScaler().fit(numbers[train]).transform(numbers)))
        blocks.append(
            OneHotEncoder(handle_unknown="ignore").fit(categories[train]).transform(categories)
        )
    if even:
        blocks = [
            block / np.sqrt(block[train].multiply(block[train]).sum(axis=1).mean())
            for block in (sp.csr_matrix(block) for block in blocks)
        ]
    features = sp.hstack(blocks).tocsr()
    seen = train if draw == "all" else train & records["id"].isin(_visible(data, draw)).to_numpy()
    model = LogisticRegression(max_iter=1000, C=10.0 if even else 1.0).fit(
        features[seen], records["label"][seen]
    )
    test = (records["split"] == "test").to_numpy()
    return dict(zip(records["id"][test], model.predict(features[test]), strict=True))


def run(name: str, data: Path, draw: str) -> dict[str, Any]:
    """Run the loop's steps on one draw and compare with the floor."""
    from components.evaluation.comparison import paired_bootstrap

    start = time.monotonic()
    outputs = steps(name, data, draw)
    seconds = time.monotonic() - start
    metrics = json.loads((outputs["evaluate"] / "metrics.json").read_text())
    rows = pd.read_parquet(outputs["evaluate"] / "comparisons.parquet")
    rows = rows[rows["split"] == "test"]
    manifest = yaml.safe_load((CONF / f"{name}.dataset.yaml").read_text())["modalities"]
    answers = floor(data, manifest["text"]["column"], draw, tabular="facts" in manifest)
    lowest = rows["id"].map(answers).to_numpy(str)
    label = rows["label"].to_numpy(str)
    has_student = metrics["selection"]["student"] is not None
    gain = paired_bootstrap(label, rows["chosen"].to_numpy(str), lowest)
    return {
        "set": name, "draw": draw, "labels": metrics["label_budget"], "n": len(rows),
        "floor": float((lowest == label).mean()),
        "best_single": metrics["best_single"]["accuracy"],
        "best_single_name": metrics["best_single"]["name"],
        "supervised_only": metrics["supervised_only"]["accuracy"], "chosen": metrics["accuracy"],
        "chosen_minus_floor": [gain.difference, gain.low, gain.high],
        "student_minus_supervised_only":
            _numbers(metrics, "student_minus_supervised_only") if has_student else [],
        "chosen_minus_best_single": _numbers(metrics, "fused_minus_best_single"),
        "kept": metrics["selection"]["kept"], "seconds": round(seconds, 1),
    }  # fmt: skip


def floors(name: str, data: Path, draw: str) -> dict[str, Any]:
    """Accuracy of both floors on one draw."""
    records = pd.read_parquet(data / "records.parquet", columns=["id", "label"])
    manifest = yaml.safe_load((CONF / f"{name}.dataset.yaml").read_text())["modalities"]
    label = dict(zip(records["id"], records["label"], strict=True))
    found: dict[str, Any] = {"set": name, "draw": draw}
    for kind, even in (("floor", False), ("even floor", True)):
        answers = floor(data, manifest["text"]["column"], draw, "facts" in manifest, even)
        found[kind] = round(float(np.mean([label[i] == said for i, said in answers.items()])), 3)
    return found


def _numbers(metrics: dict[str, Any], name: str) -> list[float]:
    interval = metrics["intervals"][name]
    return [interval[k] for k in ("difference", "low", "high")] if interval else []


def steps(name: str, data: Path, draw: str) -> dict[str, Path]:
    """Run the steps up to evaluate on one draw; their outputs by name."""
    config = configured(name, data, draw)
    if draw == "all":
        training = config.training.model_copy(update=EPOCHS_OF_ALL)
        config = config.model_copy(update={"labeller": None, "training": training})
    return dict(walked(config, "evaluate", f"{name} {draw}").outputs)


def _pixels(data: Path, paths: pd.Series) -> np.ndarray:
    from PIL import Image

    media = pd.concat(
        [pd.read_parquet(p) for p in sorted((data / "media").glob("*.parquet"))]
    ).set_index("path")["bytes"]
    grid = [
        np.asarray(Image.open(io.BytesIO(media[p])).convert("RGB").resize((32, 32))).ravel()
        for p in paths
    ]
    return np.stack(grid).astype(np.float32) / 255


def _visible(data: Path, draw: str) -> set[str]:
    table = pd.read_parquet(data / "labelled.parquet")
    return set(table["id"][table[f"labelled_{draw}"]])


def table(lines: list[dict[str, Any]]) -> str:
    """The results in Markdown, with the mean of the three draws at 25."""
    text = [
        "| set | labels | floor | best single | supervised only | kept model "
        "| kept - floor | student - supervised only |"
    ]
    text += ["|---|---|---|---|---|---|---|---|"]
    keys = ("floor", "best_single", "supervised_only", "chosen")
    for line in lines:
        figures = " | ".join(f"{line[k]:.3f}" for k in keys)
        text.append(
            f"| {line['set']} | {line['draw']} ({line['kept']} kept) | {figures} "
            f"| {_interval(line['chosen_minus_floor'])} "
            f"| {_interval(line['student_minus_supervised_only'])} |"
        )
    for name in sorted({line["set"] for line in lines}):
        drawn = [line for line in lines if line["set"] == name and line["draw"] != "all"]
        if drawn:
            means = " | ".join(f"{np.mean([line[k] for line in drawn]):.3f}" for k in keys)
            text.append(
                f"| {name} | mean at 25 (published floor {PUBLISHED[name][0]:.3f}) | {means} | | |"
            )
    return "\n".join(text)


def _interval(values: list[float]) -> str:
    return f"{values[0]:+.3f} [{values[1]:+.3f}, {values[2]:+.3f}]" if values else "none"


def main() -> None:
    """Run the chosen sets and draws."""
    from flows import engines

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="folder that holds the sets",
    )
    parser.add_argument("--sets", nargs="+", default=list(PUBLISHED))
    parser.add_argument("--draws", nargs="+", default=list(DRAWS), choices=DRAWS)
    parser.add_argument("--floors-only", action="store_true", help="no training: two floors")
    chosen = parser.parse_args()
    if chosen.floors_only:
        for name in chosen.sets:
            for draw in chosen.draws:
                line = floors(name, chosen.data / name, draw)
                sys.stdout.write(json.dumps(line) + "\n")
        return
    engines.quiet()
    lines = []
    for name in chosen.sets:
        for draw in chosen.draws:
            lines.append(run(name, chosen.data / name, draw))
            sys.stdout.write(json.dumps(lines[-1]) + "\n")
            sys.stdout.flush()
    sys.stdout.write(table(lines) + "\n")


if __name__ == "__main__":
    main()
