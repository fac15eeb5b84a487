"""Pictures and names of characters by every layer of a text model and of a model of pictures."""

import atexit
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from benchmarks.methods._texts import minilm
from components.config.run import DataConfig
from components.features.encode import encode
from components.features.store import Features
from components.glyphs.drawing import SIZE, Glyph, draw_faces
from components.validation.accept import validate

TEXT_LAYERS, PICTURE_LAYERS = 6, 4
TRAIN, TEST = 600, 300
_MANIFEST = """\
id: id
target: {column: label, kind: single}
split: {column: split}
modalities:
  image: {kind: image, column: image}
  text: {kind: text, column: text}
"""
_VIEWED = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": SIZE, "width": SIZE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_convert_rgb": True,
}
"""Preprocessing of the model of pictures, as ``transformers`` saves it."""


@cache
def glyphs_by_layer(seed: int, short: bool) -> Features:
    """Characters that the model of pictures never saw: views ``image/1`` to ``text/6``.

    Args:
        seed: draws the characters, and the weights and batches of the model of pictures.
        short: fewer characters, and a model that is hardly trained.
    """
    root = Path(tempfile.mkdtemp(prefix="concord-layers-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    every = draw_faces()
    order = np.random.default_rng(seed).permutation(len(every))
    train, test = (200, 100) if short else (TRAIN, TEST)
    aligned = [every[i] for i in order[: train + test]]
    others = [every[i] for i in order[TRAIN + TEST :]]
    _saved(others, root / "vit", seed, epochs=1 if short else 20)
    splits = ["train"] * train + ["test"] * test
    return _encoded(aligned, splits, root)


def _saved(glyphs: Sequence[Glyph], folder: Path, seed: int, epochs: int) -> None:
    """Save a small ViT that has learned to tell the families of characters apart."""
    from transformers import ViTConfig, ViTModel

    families = sorted({glyph.family for glyph in glyphs})
    labels = torch.tensor([families.index(glyph.family) for glyph in glyphs])
    pictures = torch.from_numpy(np.stack([glyph.picture for glyph in glyphs])).float() / 127.5 - 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = ViTConfig(
            image_size=SIZE,
            patch_size=SIZE // 4,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=PICTURE_LAYERS,
            num_attention_heads=4,
        )
        model, head = ViTModel(config), nn.Linear(64, len(families))
        learned = [*model.parameters(), *head.parameters()]
        optimiser = torch.optim.AdamW(learned, lr=1e-3, weight_decay=0.05)
        for _ in range(epochs):
            for rows in torch.randperm(len(labels)).split(64):
                shown = pictures[rows][:, None].expand(-1, 3, -1, -1)
                said = head(model(pixel_values=shown).last_hidden_state[:, 0])
                optimiser.zero_grad()
                F.cross_entropy(said, labels[rows]).backward()
                optimiser.step()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(_VIEWED))


def _encoded(glyphs: Sequence[Glyph], splits: Sequence[str], root: Path) -> Features:
    """The characters through every layer, by the steps of a run."""
    for name in ("data", "accepted", "features"):
        (root / name).mkdir()
    table = {
        "id": [f"{glyph.code:x}" for glyph in glyphs],
        "label": ["sign" if n % 2 else "mark" for n in range(len(glyphs))],  # not read
        "split": list(splits),
        "image": [_png(glyph) for glyph in glyphs],
        "text": [glyph.name.lower() for glyph in glyphs],
    }
    pq.write_table(pa.table(table), root / "data" / "records.parquet")
    (root / "data" / "dataset.yaml").write_text(_MANIFEST)
    modalities = {
        "image": _layers(str(root / "vit"), PICTURE_LAYERS),
        "text": _layers(minilm(), TEXT_LAYERS),
    }
    uri = str(root / "data")
    validate(data=DataConfig(uri=uri), modalities=modalities, out=root / "accepted")
    encode(
        accepted=root / "accepted",
        data_uri=uri,
        modalities=modalities,
        cache=root / "cache",
        out=root / "features",
    )
    return Features.load(root / "features")


def _layers(model: str, count: int) -> dict[str, Any]:
    one = {"name": "transformers", "model": model}
    return {"encoders": [{**one, "view": str(n), "layer": n} for n in range(1, count + 1)]}


def _png(glyph: Glyph) -> bytes:
    written = io.BytesIO()
    Image.fromarray(glyph.picture).save(written, "PNG")
    return written.getvalue()
