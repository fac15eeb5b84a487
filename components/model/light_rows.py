"""What the committee's maps read of encoded records, computed with torch."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from components.features.rows import Rows, placed
from components.model.committee import LinearView, SparseView
from components.model.network import Model
from components.parts.network import ViewNetwork

_BATCH = 2048


def light_rows(
    model: Model,
    arrays: Mapping[str, Rows],
    present: NDArray[np.bool_],
    rows: NDArray[np.int64] | None = None,
) -> dict[str, Rows]:
    """What the committee's maps read of records: view name to ``(k, dim)``.

    Standardised numbers of a dense view, weighted counts ``csr_array`` of a sparse one; rows of an
    absent view are zeros.

    Args:
        model: with a fitted committee; a sparse view that was never fitted is left out.
        arrays: view name to cached inputs ``(records, *shape)``.
        present: ``(records, modalities)``, modalities sorted by name.
        rows: which records; all by default.
    """
    rows = np.arange(len(present)) if rows is None else rows
    found: dict[str, Rows] = {}
    for column, name in enumerate(model.names):
        at = np.flatnonzero(present[rows, column])
        for view in model.views[name]:
            if view in model.committee.views:
                dense = _dense(model, view, arrays[view], rows[at])
                found[view] = placed(dense, at, len(rows))
        for view in model.sparse[name]:
            maps = cast(SparseView, model.committee.views[view]).maps()
            if len(maps.idf):
                found[view] = placed(maps.weighted(arrays[view][rows[at]]), at, len(rows))
    return found


def _dense(model: Model, view: str, inputs: Rows, at: NDArray[np.int64]) -> NDArray[np.float32]:
    encoder = cast(ViewNetwork, model.encoders[view])
    linear = cast(LinearView, model.committee.views[view])
    device = linear.mean.device
    parts = [np.zeros((0, len(linear.mean)), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(at), _BATCH):
            batch = torch.from_numpy(np.asarray(inputs[at[start : start + _BATCH]])).to(device)
            parts.append(linear.standardised(encoder.light(batch).float()).cpu().numpy())
    return np.concatenate(parts)
