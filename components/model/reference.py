"""A few training records that a model keeps, as its light heads read them.

They are what a class that comes later is compared with, and what tells how far a record is from
those that the model learned from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from components.features.rows import Rows, placed, sparse_rows
from components.features.tfidf import weighted
from components.model.committee import LinearView, SparseView
from components.parts.network import ViewNetwork

if TYPE_CHECKING:
    from components.model.network import Model

REFERENCE = "reference.safetensors"
_PRESENT, _LABELS, _LOGITS = "present", "labels", "logits"
_DENSE, _SPARSE = "dense:", "sparse:"
_BATCH = 2048


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Training records of a model; ``n`` of them, no two of one group.

    Attributes:
        views: view name to rows ``(n, dim)`` as ``light_rows`` gives them.
        present: ``(n, modalities)`` bool, modalities sorted by name.
        labels: coded labels ``(n, …)``.
        logits: ``(n, classes)`` of fits that did not see the record; NaN where there is none.
        rows: their numbers ``(n,)`` in the data set, where a model was just fitted.
    """

    views: Mapping[str, Rows]
    present: NDArray[np.bool_]
    labels: NDArray[Any]
    logits: NDArray[np.float32]
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Number of records."""
        return len(self.present)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which records ``(n,)`` have a label, and logits of fits that did not see it."""
        return np.asarray(~np.isnan(self.logits).any(axis=1))

    def with_logits(self, logits: NDArray[np.float32]) -> "Reference":
        """The same records with other logits."""
        return replace(self, logits=logits)

    def save(self, folder: Path) -> None:
        """Write ``reference.safetensors``; the numbers of dense views are halved in precision."""
        arrays = {_PRESENT: self.present, _LABELS: self.labels, _LOGITS: self.logits}
        for view, rows in self.views.items():
            if isinstance(rows, np.ndarray):
                arrays[_DENSE + view] = rows.astype(np.float16)
                continue
            arrays[f"{_SPARSE}{view}:data"] = rows.data.astype(np.float16)
            arrays[f"{_SPARSE}{view}:indices"] = rows.indices.astype(np.int32)
            arrays[f"{_SPARSE}{view}:lengths"] = np.diff(rows.indptr).astype(np.int64)
            arrays[f"{_SPARSE}{view}:columns"] = np.array([rows.shape[1]], np.int64)
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / REFERENCE)

    @classmethod
    def load(cls, folder: Path) -> "Reference | None":
        """Read what ``save`` wrote; None where a model keeps no records."""
        if not (folder / REFERENCE).is_file():
            return None
        arrays = load_file(folder / REFERENCE)
        views: dict[str, Rows] = {}
        for key, values in arrays.items():
            if key.startswith(_DENSE):
                views[key.removeprefix(_DENSE)] = values.astype(np.float32)
            elif key.startswith(_SPARSE) and key.endswith(":data"):
                stem = key.removesuffix(":data")
                views[stem.removeprefix(_SPARSE)] = sparse_rows(
                    values.astype(np.float32),
                    arrays[f"{stem}:indices"],
                    arrays[f"{stem}:lengths"],
                    int(arrays[f"{stem}:columns"][0]),
                )
        return cls(
            views=views,
            present=arrays[_PRESENT],
            labels=arrays[_LABELS],
            logits=arrays[_LOGITS],
        )


def light_rows(
    model: "Model",
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
            idf = cast(SparseView, model.committee.views[view]).idf.numpy()
            if len(idf):
                found[view] = placed(weighted(arrays[view][rows[at]], idf), at, len(rows))
    return found


def _dense(model: "Model", view: str, inputs: Rows, at: NDArray[np.int64]) -> NDArray[np.float32]:
    encoder = cast(ViewNetwork, model.encoders[view])
    linear = cast(LinearView, model.committee.views[view])
    device = linear.mean.device
    parts = [np.zeros((0, len(linear.mean)), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(at), _BATCH):
            batch = torch.from_numpy(np.asarray(inputs[at[start : start + _BATCH]])).to(device)
            parts.append(linear.standardised(encoder.light(batch).float()).cpu().numpy())
    return np.concatenate(parts)
