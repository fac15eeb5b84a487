"""A small data set of pictures, texts and fields, with missing values and few labels."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from components.features.cache import content_key, content_number
from components.features.modality import Modality, build_modality
from components.features.store import Features, FeaturesWriter
from components.features.target import build_target
from components.parts.contracts import Raw

CLASSES = ["circle", "cross", "line", "square"]
COLUMNS = {
    "image": {"kind": "image", "column": "picture"},
    "text": {"kind": "text", "column": "title"},
    "facts": {
        "kind": "tabular",
        "columns": {
            "weight": {"type": "number", "null": "missing"},
            "colour": {"type": "category", "null": "missing"},
            "tags": {"type": "set", "null": "missing"},
        },
    },
}
OPTIONS: dict[str, dict[str, Any]] = {
    "image": {
        "encoders": [
            {
                "name": "cnn",
                "size": [8, 8],
                "colour": False,
                "widths": [8, 16],
                "strides": [1, 2],
                "squeeze": 8,
            }
        ]
    },
    "text": {"encoders": [{"name": "hashing", "buckets": 16}]},
    "facts": {"encoders": [{"name": "fields", "buckets": 8, "width": 16}]},
}
WORDS = {
    "circle": ["round", "ring", "ball", "disc"],
    "cross": ["plus", "crossing", "sword", "four"],
    "line": ["stroke", "thin", "long", "bar"],
    "square": ["box", "tile", "corner", "block"],
}


@dataclass(frozen=True)
class Records:
    """Raw records; ``truth`` holds every class, ``label`` those that a run may see."""

    ids: list[str]
    splits: list[str]
    truth: list[str]
    label: list[str | None]
    raws: dict[str, list[Raw | None]]

    def raw(self, row: int) -> dict[str, Raw]:
        """The modalities that one record has."""
        return {
            name: value for name, values in self.raws.items() if (value := values[row]) is not None
        }


def records(
    n: int = 400, seed: int = 0, labelled: float = 0.4, missing: float = 0.15, noise: float = 0.25
) -> Records:
    """Draw records of 4 classes; with probability ``noise`` a modality shows another class."""
    rng = np.random.default_rng(seed)
    truth = [CLASSES[i % 4] for i in range(n)]
    splits = [str(s) for s in rng.choice(["train", "val", "test"], n, p=[0.6, 0.2, 0.2])]
    label = [
        None if s == "train" and rng.random() > labelled else t
        for s, t in zip(splits, truth, strict=True)
    ]
    raws: dict[str, list[Raw | None]] = {"image": [], "text": [], "facts": []}
    for row in range(n):
        has = rng.random(3) > missing
        has[rng.integers(3)] = True
        shown = [str(rng.choice(CLASSES)) if rng.random() < noise else truth[row] for _ in range(3)]
        raws["image"].append(picture(shown[0], rng) if has[0] else None)
        raws["text"].append(" ".join(rng.choice(WORDS[shown[1]], 3)) if has[1] else None)
        raws["facts"].append(_facts(shown[2], rng, alone=has.sum() == 1) if has[2] else None)
    return Records([f"r{i:04d}" for i in range(n)], splits, truth, label, raws)


def picture(shape: str, rng: np.random.Generator) -> bytes:
    """A noisy 8 x 8 grey PNG of a shape."""
    y, x = np.mgrid[:8, :8] - 3.5
    drawn = {
        "circle": np.abs(np.hypot(x, y) - 2.5) < 0.8,
        "cross": (np.abs(x) < 1) | (np.abs(y) < 1),
        "line": np.abs(x - y) < 1,
        "square": np.abs(np.maximum(np.abs(x), np.abs(y)) - 2.5) < 0.6,
    }[shape]
    pixels = np.clip(drawn * 200 + rng.normal(25, 15, (8, 8)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _facts(shape: str, rng: np.random.Generator, *, alone: bool) -> dict[str, Any] | None:
    """Fields, some missing; None if all are, but a record that has nothing else has a weight."""
    number = CLASSES.index(shape)
    facts = {
        "weight": None if rng.random() < 0.2 else float(rng.normal(10 * number, 2)),
        "colour": None if rng.random() < 0.2 else ["red", "green", "blue", "grey"][number],
        "tags": None if rng.random() < 0.2 else [f"t{number}", f"u{rng.integers(6)}"],
    }
    if any(value is not None for value in facts.values()):
        return facts
    return {**facts, "weight": 10.0 * number} if alone else None


def modalities(names: tuple[str, ...] = ("facts", "image", "text")) -> dict[str, Modality]:
    """The modalities of these records, by name."""
    return {
        n: build_modality(n, str(COLUMNS[n]["kind"]), OPTIONS[n], COLUMNS[n]) for n in sorted(names)
    }


def number(content: bytes) -> int:
    """The number of a content."""
    return content_number(content_key(content))


def write_features(
    out: Path,
    source: Records | None = None,
    names: tuple[str, ...] = ("facts", "image", "text"),
    groups: list[str] | None = None,
    classes: list[str] = CLASSES,
) -> Features:
    """Encode records into a features folder, without the cache; a record is its own group."""
    source = source or records()
    built = modalities(names)
    out.mkdir(parents=True, exist_ok=True)
    specs = {n: m.spec for n, m in built.items()}
    target = build_target("single", classes)
    writer = FeaturesWriter(out, specs, len(source.ids), target, "single")
    inputs, previews, contents = {}, {}, {}
    for name, modality in built.items():
        values = source.raws[name]
        at = np.array([i for i, v in enumerate(values) if v is not None], dtype=np.int64)
        read = [None if v is None else modality.kind.decode(v) for v in values]
        for view, encoder in modality.encoders.items():
            inputs[view] = (at, encoder.encode([v for v in read if v is not None]))
        contents[name] = np.array(
            [0 if v is None else number(modality.kind.content(v)) for v in values], np.int64
        )
        previews[name] = [
            None if v is None else modality.kind.preview(v, d)
            for v, d in zip(values, read, strict=True)
        ]
    table = pa.table(
        {
            "id": source.ids,
            "group": groups or source.ids,
            "split": source.splits,
            "label": pa.array(source.label, pa.string()),
        }
    )
    writer.add(table, inputs, previews, contents)
    writer.close()
    return Features.load(out)
