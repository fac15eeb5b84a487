"""The sweeps over missing rates of a run, from the answers that each subset of modalities gave."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.config.run import EvaluationConfig
from components.evaluation.answers import SubsetAnswers
from components.evaluation.held_out import HeldOut
from components.evaluation.missing import RATES, Curve, Seen, by_frequency, standing, sweep
from components.features.store import RECORD_COLUMNS, Features
from components.model.subsets import subset_key, subsets

_MOST_FIELDS = 3
_MOST_ROWS, _DRAWS = 20_000, 5
"""Records in all draws of what is missing, and most draws."""


def missing_figures(
    held_out: HeldOut, answers: Sequence[SubsetAnswers], evaluation: EvaluationConfig
) -> dict[str, Any] | None:
    """Sweeps of the primary figure over missing rates on labelled test records.

    Modalities are missing at random; more often where the class is common, and where it is rare;
    and more often where a field that reports show (``slices``) is large or common. None where
    nothing is predicted, there is one modality, or some subset of them was not measured.

    Args:
        held_out: validation and test records.
        answers: of the chosen model, from each subset of modalities.
        evaluation: the seed.
    """
    features = held_out.features
    target, names, primary = features.target, features.names, features.target.primary
    rows = held_out.scored
    known = {answer.subset: answer for answer in answers}
    whole = known.keys() >= set(subsets(names))
    if primary is None or len(names) < 2 or not whole or not rows.any():
        return None
    labels, at = held_out.labels[rows], np.flatnonzero(rows)

    def said(seen: Seen) -> NDArray[Any]:
        found = np.zeros((len(seen), target.width), np.float32)
        patterns, which = np.unique(seen, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            answer = known[tuple(n for n, has in zip(names, pattern, strict=True) if has)]
            mine = which.reshape(-1) == number
            found[mine] = answer.probabilities[np.searchsorted(answer.at, at[mine])]
        return target.answers(found)

    def figure(given: NDArray[Any]) -> float:
        return target.metrics(labels, given)[primary]

    draws = max(1, min(_DRAWS, _MOST_ROWS // len(labels)))
    patterns = {"at random": None, **_by_class(labels), **_by_fields(features, held_out.rows[rows])}
    curves = {
        name: sweep(said, figure, held_out.present[rows], stands, draws=draws, seed=evaluation.seed)
        for name, stands in patterns.items()
    }
    return {
        "rates": list(RATES),
        "patterns": {name: _told(curve) for name, curve in curves.items()},
    }


def _told(curve: Curve) -> dict[str, Any]:
    return {"values": list(curve.values), "area": curve.area, "fall": curve.fall}


def _by_class(labels: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Rank of records by how common their class is, and the reverse; empty for sets of classes."""
    if labels.ndim > 1:
        return {}
    stands = by_frequency(labels)
    return {"more of common classes": stands, "more of rare classes": 1 - stands}


def _by_fields(features: Features, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Rank of records by fields that reports show: of numbers by size, else by frequency."""
    table = pq.read_table(features.path / "records.parquet")
    fields = [name for name in table.column_names if name not in RECORD_COLUMNS][:_MOST_FIELDS]
    found = {}
    for name in fields:
        column = table[name].take(pa.array(rows))
        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            values = column.cast(pa.float64()).fill_null(-np.inf).to_numpy()
            stands, what = standing(values), f"more where {name} is large"
        else:
            values = np.array([str(value) for value in column.to_pylist()])
            stands, what = by_frequency(values), f"more where {name} is common"
        if len(np.unique(stands)) > 1:
            found[what] = stands
    return found


def worst_subset(figures: dict[str, float | None], names: Sequence[str]) -> str | None:
    """Key of the subset with the lowest figure among those that lack a modality; None without."""
    known = {
        key: value
        for key, value in figures.items()
        if value is not None and key != subset_key(names)
    }
    return min(known, key=lambda key: known[key]) if known else None
