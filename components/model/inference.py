"""Run a model over encoded records: the same answers for evaluation, pseudo-labels and serving."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from components.features.rows import Rows
from components.model.committee import SparseView
from components.model.network import Model


@dataclass(frozen=True, kw_only=True)
class Inference:
    """Model outputs for ``n`` records, all float32.

    Attributes:
        logits: ``(n, classes)`` of the fused vector; NaN where the record has none of the chosen
            modalities.
        modality_logits: modality name to ``(n, classes)``; NaN where it is absent or not chosen.
        embeddings: modality name to unit vectors ``(n, dim)``; zero where it is absent or not
            chosen.
        fused: unit vectors ``(n, dim)``; zero where the record has none of the chosen modalities.
    """

    logits: NDArray[np.float32]
    modality_logits: dict[str, NDArray[np.float32]]
    embeddings: dict[str, NDArray[np.float32]]
    fused: NDArray[np.float32]

    def of(self, rows: NDArray[np.int64]) -> "Inference":
        """The outputs of some of the records."""
        return Inference(
            logits=self.logits[rows],
            modality_logits={name: x[rows] for name, x in self.modality_logits.items()},
            embeddings={name: x[rows] for name, x in self.embeddings.items()},
            fused=self.fused[rows],
        )


def infer(
    model: Model,
    arrays: Mapping[str, Rows],
    present: NDArray[np.bool_],
    rows: NDArray[np.int64] | None = None,
    subset: tuple[str, ...] | None = None,
    batch: int = 512,
) -> Inference:
    """Run a model over rows of encoded records.

    Args:
        model: the model; its device is used, and its mode is restored.
        arrays: view name to cached inputs ``(records, *shape)``, in memory or memory-mapped;
            those of sparse views are read where the committee answers.
        present: ``(records, modalities)`` with the model's modalities sorted by name.
        rows: which records, in this order; all by default.
        subset: only these modalities are used; all by default.
        batch: records in one forward pass.
    """
    rows = np.arange(len(present)) if rows is None else rows
    names = model.names
    assert present.shape[1] == len(names), f"{present.shape[1]} columns for {names}"
    usable = present[rows].copy()
    if subset is not None:
        usable &= np.array([name in subset for name in names])
    n, device = len(rows), next(model.parameters()).device
    result = Inference(
        logits=np.full((n, len(model.classes)), np.nan, np.float32),
        modality_logits={m: np.full((n, len(model.classes)), np.nan, np.float32) for m in names},
        embeddings={m: np.zeros((n, model.dim), np.float32) for m in names},
        fused=np.zeros((n, model.fused_dim), np.float32),
    )
    views = [view for m in names for view in model.views[m]]
    views += [view for m in names for view in model.sparse[m] if model.mix.committee]
    answerable = np.flatnonzero(usable.any(axis=1))
    training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(answerable), batch):
            at = answerable[start : start + batch]
            inputs = {
                view: torch.from_numpy(_input(model, view, arrays[view][rows[at]])).to(device)
                for view in views
            }
            output = model(inputs, torch.from_numpy(usable[at]).to(device))
            result.logits[at] = output.logits.float().cpu().numpy()
            result.fused[at] = output.fused.float().cpu().numpy()
            for column, m in enumerate(names):
                has = usable[at, column]
                result.modality_logits[m][at[has]] = (
                    output.modality_logits[m].float().cpu().numpy()[has]
                )
                result.embeddings[m][at[has]] = output.embeddings[m].float().cpu().numpy()[has]
    model.train(training)
    return result


def _input(model: Model, view: str, rows: Rows) -> NDArray[Any]:
    """Rows as the network reads them: of a sparse view, the committee's logits."""
    if isinstance(rows, np.ndarray):
        return np.asarray(rows)
    return cast(SparseView, model.committee.views[view]).logits(rows)
