"""The indexes of a package: one for each modality, over the records that have it, and one fused."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.files import read_json, write_json
from components.core.names import FUSED
from components.parts import loading as parts
from components.parts.indexing import DEFAULT, Declared, Index, Value

LABEL = "label"
"""The attribute that a search may filter by."""
_ABOUT = "index.json"


def build_index(
    ids: Sequence[str],
    labels: Sequence[Value],
    vectors: NDArray[np.float32],
    has: NDArray[np.bool_],
) -> Index:
    """A new index of the default part.

    Args:
        ids: ids of all ``n`` records.
        labels: known labels of all records.
        vectors: ``(n, dim)``; rows without the modality are not read.
        has: ``(n,)`` which records have a vector.
    """
    module = parts.load("index", DEFAULT)
    config = parts.configure("index", DEFAULT, {})
    several = any(isinstance(label, list) for label in labels)
    declared: Declared = {LABEL: "texts" if several else "text"}
    index: Index = module.build(config, dim=vectors.shape[1], attributes=declared)
    if has.all():
        index.upsert(ids, vectors, {LABEL: labels})
        return index
    rows = np.flatnonzero(has).tolist()
    index.upsert([ids[r] for r in rows], vectors[rows], {LABEL: [labels[r] for r in rows]})
    return index


def indexed(names: Sequence[str], present: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Which records ``(n,)`` each target's index holds, from ``present (n, modalities)``."""
    has = {name: present[:, column] for column, name in enumerate(names)}
    return {**has, FUSED: np.asarray(present.any(axis=1), dtype=bool)}


def write_indexes(folder: Path, indexes: Iterable[tuple[str, Index]]) -> None:
    """Save indexes by target, with the name of the part that opens them."""
    for target, index in indexes:
        index.save(folder / target)
    write_json(folder / _ABOUT, {"name": DEFAULT})


def open_indexes(
    folder: Path,
    names: Sequence[str],
    ids: Sequence[str],
    labels: Sequence[Value],
    present: NDArray[np.bool_],
) -> dict[str, Index]:
    """Open the index of each target.

    Args:
        folder: ``index`` of a package.
        names: sorted modality names.
        ids: ids of all ``n`` records.
        labels: known labels of all records.
        present: ``(n, modalities)``.
    """
    if (folder / _ABOUT).is_file():
        module: Any = parts.load("index", str(read_json(folder / _ABOUT)["name"]), folder.parent)
        return {target: module.open(folder / target) for target in (*names, FUSED)}
    # Packages of model format 1 hold one array for each target.
    return {
        target: build_index(ids, labels, np.load(folder / f"{target}.npy", mmap_mode="r"), has)
        for target, has in indexed(names, present).items()
    }
