"""Run a model over encoded records: the same answers for evaluation, pseudo-labels and serving."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from components.features.rows import Rows
from components.model.committee import SparseView
from components.model.network import Model
from components.model.outputs import Inference


def infer(
    model: Model,
    arrays: Mapping[str, Rows],
    present: NDArray[np.bool_],
    rows: NDArray[np.int64] | None = None,
    subset: tuple[str, ...] | None = None,
    batch: int = 512,
    *,
    each: bool = True,
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
        each: whether what each modality says alone is asked for.
    """
    rows = np.arange(len(present)) if rows is None else rows
    names = model.names
    assert present.shape[1] == len(names), f"{present.shape[1]} columns for {names}"
    usable = present[rows].copy()
    if subset is not None:
        usable &= np.array([name in subset for name in names])
    n, device = len(rows), next(model.parameters()).device
    result = Inference.blank(n, len(model.classes), model.dim, names)
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
            shown = torch.from_numpy(usable[at]).to(device)
            output = model(inputs, shown, each=each)
            result.logits[at] = output.logits.float().cpu().numpy()
            result.fused[at] = output.fused.float().cpu().numpy()
            for column, m in enumerate(names):
                has = usable[at, column]
                if each:
                    said = output.modality_logits[m].float().cpu().numpy()
                    result.modality_logits[m][at[has]] = said[has]
                result.embeddings[m][at[has]] = output.embeddings[m].float().cpu().numpy()[has]
    model.train(training)
    return result


def _input(model: Model, view: str, rows: Rows) -> NDArray[Any]:
    """Rows as the network reads them: of a sparse view, the committee's logits."""
    if isinstance(rows, np.ndarray):
        return np.asarray(rows)
    return cast(SparseView, model.committee.views[view]).logits(rows)
