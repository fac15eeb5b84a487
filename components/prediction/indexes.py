"""The indexes of a package: one for each modality, over the records that have it, and one fused."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.config.run import Part
from components.core.files import read_json, write_json
from components.core.names import FUSED
from components.parts import loading as parts
from components.parts.columns import Attributes
from components.parts.filters import Declared
from components.parts.indexing import Index, usual

_ABOUT = "index.json"


def build_index(
    ids: Sequence[str],
    attributes: Attributes,
    declared: Declared,
    vectors: NDArray[np.float32],
    has: NDArray[np.bool_],
    part: Part | None = None,
) -> Index:
    """A new index.

    Args:
        ids: ids of all ``n`` records.
        attributes: of all records.
        declared: their types.
        vectors: ``(n, dim)``; rows without the modality are not read.
        has: ``(n,)`` which records have a vector.
        part: the family and its options; by default that for so many records.
    """
    name = family(len(ids), part)
    module = parts.load("index", name)
    config = parts.configure("index", name, part.options if part else {})
    index: Index = module.build(config, dim=vectors.shape[1], attributes=declared)
    if has.all():
        index.upsert(ids, vectors, attributes)
        return index
    rows = np.flatnonzero(has).tolist()
    chosen = {name: [values[r] for r in rows] for name, values in attributes.items()}
    index.upsert([ids[r] for r in rows], vectors[rows], chosen)
    return index


def indexed(names: Sequence[str], present: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Which records ``(n,)`` each target's index holds, from ``present (n, modalities)``."""
    has = {name: present[:, column] for column, name in enumerate(names)}
    return {**has, FUSED: np.asarray(present.any(axis=1), dtype=bool)}


def family(records: int, part: Part | None = None) -> str:
    """The family of a package's indexes: that which is asked for, or that for so many records."""
    return part.name if part else usual(records)


def write_indexes(folder: Path, name: str, indexes: Iterable[tuple[str, Index]]) -> None:
    """Save indexes by target, with the name of the family that opens them."""
    for target, index in indexes:
        index.save(folder / target)
    write_json(folder / _ABOUT, {"name": name})


def open_indexes(
    folder: Path,
    names: Sequence[str],
    ids: Sequence[str],
    present: NDArray[np.bool_],
    declared: Declared,
    attributes: Callable[[], Attributes],
) -> dict[str, Index]:
    """Open the index of each target.

    Args:
        folder: ``index`` of a package.
        names: sorted modality names.
        ids: ids of all ``n`` records.
        present: ``(n, modalities)``.
        declared: the attributes that records have now.
        attributes: makes their values, for packages of before they were declared.
    """
    has = indexed(names, present)
    if not (folder / _ABOUT).is_file():
        # Packages of model format 1 hold one array for each target.
        given = attributes()
        arrays = {target: np.load(folder / f"{target}.npy", mmap_mode="r") for target in has}
        return {t: build_index(ids, given, declared, arrays[t], has[t]) for t in has}
    module: Any = parts.load("index", str(read_json(folder / _ABOUT)["name"]), folder.parent)
    opened: dict[str, Index] = {target: module.open(folder / target) for target in has}
    if all(dict(index.attributes) == dict(declared) for index in opened.values()):
        return opened
    given = attributes()
    return {
        target: build_index(ids, given, declared, _spread(index, ids, has[target]), has[target])
        for target, index in opened.items()
    }


def _spread(index: Index, ids: Sequence[str], has: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The vectors of an index as rows ``(n, dim)`` of all records."""
    rows = np.flatnonzero(has)
    found = index.vectors_of([ids[row] for row in rows.tolist()])
    spread = np.zeros((len(ids), found.shape[1]), np.float32)
    spread[rows] = found
    return spread
