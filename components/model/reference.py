"""A few training records that a model keeps, as its light heads read them.

They are what a class that comes later is compared with, and what tells how far a record is from
those that the model learned from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from components.features.rows import Rows, sparse_rows

REFERENCE = "reference.safetensors"
_PRESENT, _LABELS, _LOGITS = "present", "labels", "logits"
_DENSE, _SPARSE = "dense:", "sparse:"


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
