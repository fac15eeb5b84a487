"""A model whose encoders run once on the held-out records, for all subsets of modalities."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.evaluation.held_out import HeldOut, Rows
from components.model.committee import SparseView
from components.model.inference import infer
from components.model.network import Model
from components.model.outputs import Inference
from components.parts.network import ViewNetwork

_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A model whose encoders have already run on the held-out rows, once for all subsets.

    Attributes:
        model: the model, with encoders that return their inputs.
        arrays: view name to features ``(n, out_dim)``, followed by what the committee makes of the
            view, where it counts; absent rows are zeros.
        present: ``(n, modalities of the model)``.
    """

    model: Model
    arrays: dict[str, NDArray[np.float32]]
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, model: Model, held_out: HeldOut) -> "Encoded":
        """Run the encoders of a model, perhaps one of fewer modalities."""
        columns = [held_out.features.names.index(name) for name in model.names]
        present = held_out.present[:, columns]
        arrays = {
            view: _encode(
                _Whole(model, view),
                held_out.features.arrays[view],
                held_out.rows,
                present[:, column],
            )
            for column, name in enumerate(model.names)
            for view in model.views[name]
        }
        for name in model.names if model.mix.committee else []:
            for view in model.sparse[name]:
                linear = cast(SparseView, model.committee.views[view])
                arrays[view] = linear.logits(held_out.features.arrays[view][held_out.rows])
        # A shallow copy: projectors, fusion and heads are shared, only the table of modules is new.
        shell = copy.copy(model)
        shell.__dict__["_modules"] = dict(model._modules)
        fronts = {view: _Front(_out_dim(model.encoders[view])) for view in model.encoders}
        shell.encoders = nn.ModuleDict(fronts)
        shell.committee = copy.copy(model.committee)
        shell.committee.__dict__["_modules"] = {
            "views": nn.ModuleDict({view: nn.Identity() for view in model.committee.views}),
            "neighbours": model.committee.neighbours,
        }
        return cls(model=shell, arrays=arrays, present=present)

    def infer(self, at: Rows | None = None, subset: Sequence[str] | None = None) -> Inference:
        """Model outputs for held-out rows ``at (k,)`` from a subset of modalities together.

        Both default to all.
        """
        used = None if subset is None else tuple(subset)
        return infer(self.model, self.arrays, self.present, at, used, each=False)


class _Whole(nn.Module):
    """The features of a view, followed by what the committee makes of it, where it counts."""

    def __init__(self, model: Model, view: str) -> None:
        super().__init__()
        self.encoder = model.encoders[view]
        counts = model.mix.committee and view in model.committee.views
        self.linear = model.committee.views[view] if counts else None

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.encoder(inputs)
        if self.linear is None:
            return features
        light = cast(ViewNetwork, self.encoder).light(inputs)
        return torch.cat([features.float(), self.linear(light)], dim=1)


class _Front(ViewNetwork):
    """Divides what ``_Whole`` has put together."""

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim

    def light(self, inputs: Tensor) -> Tensor:
        return inputs[:, self.out_dim :]

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, : self.out_dim]


def _out_dim(encoder: nn.Module) -> int:
    return cast(ViewNetwork, encoder).out_dim


def _encode(
    encoder: nn.Module, inputs: NDArray[Any], rows: Rows, has: NDArray[np.bool_]
) -> NDArray[np.float32]:
    result: NDArray[np.float32] | None = None
    at = np.flatnonzero(has)
    with torch.inference_mode():
        for start in range(0, max(1, len(at)), _BATCH):
            batch = at[start : start + _BATCH]
            found = encoder(torch.from_numpy(np.asarray(inputs[rows[batch]]))).float().numpy()
            if result is None:
                result = np.zeros((len(rows), found.shape[1]), dtype=np.float32)
            result[batch] = found
    assert result is not None
    return result
