"""Real sets for experiments: their encoded records, and what Concord's default makes of them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks._loop import ROOT, walked
from benchmarks.label_efficiency import GLYPHS, configuration
from components.config.run import RunConfig
from components.core.files import read_json
from components.features.store import Features

DATA = Path(os.environ.get("CONCORD_BENCH_DATA", ROOT.parent / "shared" / "data"))
"""Folder of the real sets."""
RECIPES = Path(os.environ.get("CONCORD_BENCH_GLYPHS", ROOT / "data" / "recipes"))
"""Folder of glyphs, drawn where they are missing."""
DRAWS = 3
"""Draws of labels of a real set; glyphs have a recipe for every seed."""


def draw_of(name: str, labels: int | str, seed: int) -> str:
    """The draw of a set for a seed: ``25_seed0`` of a real one, ``25_recipe1`` of glyphs."""
    if name == GLYPHS:
        return f"{labels}_recipe{seed + 1}"
    return "all" if labels == "all" else f"{labels}_seed{seed % DRAWS}"


def config_of(name: str, labels: int | str, seed: int, **changes: Any) -> RunConfig:  # noqa: ANN401
    """The default configuration of a set, with blocks of YAML replaced.

    Args:
        name: the set.
        labels: for each class, or ``all``.
        seed: of the draw and of the training.
        changes: blocks of the configuration, such as ``losses={...}``; those of a mapping that
            exists, such as ``training``, are added to it.
    """
    tree = configuration(name, draw_of(name, labels, seed), DATA, RECIPES).model_dump(mode="json")
    tree["training"]["seed"] = seed
    for block, value in changes.items():
        there = tree.get(block)
        both = isinstance(there, dict) and isinstance(value, Mapping) and block != "losses"
        tree[block] = {**there, **value} if both else value
    return RunConfig.model_validate(tree)


def encoded(name: str, labels: int | str, seed: int, **changes: Any) -> Features:  # noqa: ANN401
    """The encoded records of a set, with a draw's visible labels."""
    run = walked(config_of(name, labels, seed, **changes), "encode", f"{name} {labels} {seed}")
    return Features.load(run.outputs["encode"])


def default(name: str, labels: int | str, seed: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """The metrics of a whole run, from encoded records to evaluation; changes as in YAML.

    It is ``metrics.json`` of the evaluate step; ``[found["primary"]]`` is its main figure.
    """
    run = walked(config_of(name, labels, seed, **changes), "evaluate", f"{name} {labels} {seed}")
    return dict(read_json(run.outputs["evaluate"] / "metrics.json"))
