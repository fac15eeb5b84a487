"""The tables of a run: every answer on held-out records, by subset and by model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.evaluation.answers import SubsetAnswers
from components.evaluation.held_out import HeldOut


def prediction_table(held_out: HeldOut, answers: list[SubsetAnswers]) -> pa.Table:
    """One block of answers per subset.

    Columns: ``id``, ``split``, ``subset``, ``label``, ``predicted``, ``confidence`` and
    ``probabilities``.
    """
    blocks = []
    for answer in answers:
        n, k = answer.probabilities.shape
        flat = pa.array(answer.probabilities.reshape(-1), pa.float32())
        blocks.append(
            pa.table(
                {
                    **_who(held_out, answer.at),
                    "subset": pa.array([answer.key] * n, pa.string()),
                    "predicted": _named(
                        held_out, held_out.features.target.decide(answer.probabilities)
                    ),
                    "confidence": pa.array(
                        answer.probabilities.max(axis=1) if n and k else [None] * n, pa.float32()
                    ),
                    "probabilities": pa.ListArray.from_arrays(
                        np.arange(n + 1, dtype=np.int32) * k, flat
                    ),
                }
            )
        )
    order = ["id", "split", "subset", "label", "predicted", "confidence", "probabilities"]
    return pa.concat_tables(blocks).select(order).combine_chunks()


def comparison_table(held_out: HeldOut, compared: Mapping[str, NDArray[Any]]) -> pa.Table:
    """``id``, ``split``, ``label`` and each model's answers, for labelled held-out records.

    Where nothing is predicted: for test records, the hits of their searches and those of chance.
    """
    target = held_out.features.target
    at = np.flatnonzero(target.labelled(held_out.labels) if target.width else held_out.test)
    return pa.table(
        {
            **_who(held_out, at),
            **{name: _told(held_out, answers[at]) for name, answers in compared.items()},
        }
    )


def _told(held_out: HeldOut, answers: NDArray[Any]) -> pa.Array:
    """Predicted classes as names, probabilities and hits as numbers."""
    if answers.ndim == 1:
        return _named(held_out, answers)
    return pa.array(answers.tolist(), pa.list_(pa.float32()))


def _who(held_out: HeldOut, at: NDArray[np.int64]) -> dict[str, pa.Array]:
    ids = held_out.features.ids
    return {
        "id": pa.array([ids[row] for row in held_out.rows[at]], pa.string()),
        "split": pa.array(np.where(held_out.test[at], "test", "val").tolist(), pa.string()),
        "label": _named(held_out, held_out.labels[at]),
    }


def _named(held_out: HeldOut, labels: NDArray[Any]) -> pa.Array:
    """Labels as people read them; null without one."""
    sets = labels.ndim > 1 and labels.shape[1] > 0
    kind = pa.list_(pa.string()) if sets else pa.string()
    return pa.array(held_out.features.target.decode(labels), kind)
