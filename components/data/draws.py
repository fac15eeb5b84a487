"""Draws of training labels: which records a run may see, nested from budget to budget."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def nested_draws(
    ids: Sequence[str],
    labels: Sequence[str | None],
    budgets: Sequence[int],
    generators: Mapping[int, np.random.Generator],
) -> dict[str, list[Any]]:
    """Columns of a label file: ids, and ``labelled_<k>_seed<s>``.

    The sets of one seed are nested, and a class gives at most half of its records.

    Args:
        ids: of the training records.
        labels: of each record, None without one.
        budgets: labels for each class.
        generators: by seed.
    """
    columns: dict[str, list[Any]] = {"id": list(ids)}
    members: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label is not None:
            members.setdefault(label, []).append(row)
    for seed, random in generators.items():
        order = {label: random.permutation(rows) for label, rows in sorted(members.items())}
        for k in budgets:
            flags = np.zeros(len(ids), dtype=bool)
            for rows in order.values():
                flags[rows[: min(k, max(1, len(rows) // 2))]] = True
            columns[f"labelled_{k}_seed{seed}"] = flags.tolist()
    return columns
