"""Which training records a model keeps; see ``components.model.reference``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.store import Features
from components.model.light_rows import light_rows
from components.model.network import Model
from components.model.reference import Reference
from components.training.labelled import Labelled
from components.training.selection import Trial

MOST = 2000
"""Records that are kept: a few megabytes, read once for each answer."""


def remember(
    model: Model, features: Features, labelled: Labelled, logits: NDArray[np.floating]
) -> None:
    """Let a model keep training records, when the committee is put into it.

    First those with a label, an equal number of each class as far as there are, then others, evenly
    spaced. Of a group, or of equal records, one is kept.

    Args:
        model: with a fitted committee.
        features: the data set.
        labelled: the records that the committee was fitted to.
        logits: ``(k, classes)`` of fits that did not see them.
    """
    pool = features.rows("train")
    pool = pool[features.present[pool].any(axis=1)]
    others = np.setdiff1d(pool, labelled.rows)
    rows = np.concatenate(
        [
            labelled.rows[_evenly(labelled.targets.argmax(axis=1))],
            others[:: max(1, len(others) // (4 * MOST))],
        ]
    )
    rows = rows[_first_of_each(features, rows)][:MOST]
    held = np.full((len(features.ids), features.target.width), np.nan, np.float32)
    held[labelled.rows[labelled.judging]] = logits[labelled.judging]
    model.reference = Reference(
        views=light_rows(model, features.arrays, features.present, rows),
        present=features.present[rows],
        labels=features.labels[rows],
        logits=held[rows],
        rows=rows,
    )


def remember_mix(model: Model, trial: Trial) -> None:
    """Make the kept logits those of the model's mix where they can be, after it is chosen.

    The student has learned from all labels, so only the records that judged a network have answers
    of one that did not see them. The others keep the committee's, which are as sure as the mix is.

    Args:
        model: with its mix.
        trial: the records that chose it, sorted.
    """
    kept = model.reference
    if kept is None or kept.rows is None or not trial.answers(model.mix):
        return
    at = np.flatnonzero(np.isin(kept.rows, trial.rows) & kept.judged)
    logits = kept.logits.copy()
    of = np.searchsorted(trial.rows, kept.rows[at])
    logits[at] = trial.logits(model.mix, model.names)[of]
    model.reference = kept.with_logits(logits)


def _evenly(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """An order ``(k,)`` of records in which classes ``(k,)`` take turns."""
    order = np.argsort(codes, kind="stable")
    sorted_codes = codes[order]
    turn = np.empty(len(codes), np.int64)
    turn[order] = np.arange(len(codes)) - np.searchsorted(sorted_codes, sorted_codes)
    found: NDArray[np.int64] = np.argsort(turn, kind="stable")
    return found


def _first_of_each(features: Features, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions ``(k,)``, rising, of the first row of each group and of each whole content."""
    seen: set[Any] = set()
    first = []
    for position, row in enumerate(rows.tolist()):
        keys = {("group", features.groups[row]), ("content", features.contents[row].tobytes())}
        if not keys & seen:
            first.append(position)
        seen |= keys
    return np.array(first, dtype=np.int64)
