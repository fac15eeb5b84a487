"""Accepted and refused pseudo-labels to look at, as tiles of the report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.evaluation.galleries import Tile, evenly
from components.evaluation.previews import NONE, Previews, cut, told
from components.features.store import Features

_TILES, _SHOWN = 6, 2
"""Records in a row, and modalities of each of them."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Accepted or refused pseudo-labels.

    Attributes:
        count: how many there are.
        rows: what is special about a few of them, and those.
    """

    count: int
    rows: list[tuple[str, list[Tile]]]


def samples(pseudo: Path, features: Features, previews: Previews) -> dict[str, Samples]:
    """The surest and the least sure ``accepted`` and ``refused`` pseudo-labels.

    Records without a confidence, which no model could judge, come last.

    Args:
        pseudo: output of pseudo-label.
        features: the encoded data set.
        previews: small forms of records.
    """
    table = pq.read_table(pseudo / "pseudo.parquet")
    accepted = np.array(table["accepted"].to_pylist(), dtype=bool)
    confidence = np.array(table["confidence"].to_pylist(), dtype=np.float64)
    row_of = {record: row for row, record in enumerate(features.ids)}
    found = {}
    for name, keep in (("accepted", accepted), ("refused", ~accepted)):
        at = np.flatnonzero(keep)
        order = at[np.argsort(-confidence[at], kind="stable")]  # NaN comes last
        rows = [
            (words, _tiles(table.take(taken), row_of, features, previews))
            for words, taken in _picked(order, confidence)
        ]
        found[name] = Samples(count=len(at), rows=rows)
    return found


def _picked(
    order: NDArray[np.int64], confidence: NDArray[np.float64]
) -> list[tuple[str, NDArray[np.int64]]]:
    """The first and the last of a falling order of confidences, each record once."""
    if len(order) <= _TILES:
        return [("all, the surest first", order)] if len(order) else []
    sure, doubtful = _end(order, confidence, 0), _end(order, confidence, -1)
    return [("the surest", sure), ("the least sure", doubtful[~np.isin(doubtful, sure)])]


def _end(order: NDArray[np.int64], confidence: NDArray[np.float64], end: int) -> NDArray[np.int64]:
    """One end of the order; where more are equally sure, evenly spaced ones of those."""
    equal = np.isclose(confidence[order], confidence[order[end]], rtol=0, equal_nan=True)
    several = order[equal]
    if len(several) > _TILES:
        return np.asarray(several[evenly(len(several), _TILES)])
    return order[:_TILES] if end == 0 else order[-_TILES:]


def _tiles(
    taken: pa.Table, row_of: dict[str, int], features: Features, previews: Previews
) -> list[Tile]:
    coded = np.array(taken["label"].to_pylist(), dtype=np.int64)
    names = features.target.decode(coded.reshape(len(taken), *features.labels.shape[1:]))
    kinds = ("bytes", "text", "fields")
    order = sorted(features.names, key=lambda name: kinds.index(features.specs[name].raw))
    tiles = []
    for record, label in zip(taken.to_pylist(), names, strict=True):
        sources = ", ".join(record["sources"] or [])
        why = sources if record["accepted"] else record["reason"] or ""
        sure = "" if record["confidence"] is None else f"{record['confidence']:.2f} "
        tiles.append(
            Tile(
                body=previews.first(row_of[record["id"]], order, _SHOWN),
                caption=cut(told(label) or NONE, 40),
                note=cut(sure + why, 70),
            )
        )
    return tiles
