"""A packaged model computed by torch."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.features.rows import Rows
from components.model import storage
from components.model.inference import infer
from components.model.light_rows import light_rows
from components.model.network import Model
from components.model.runtime import Answered, Chosen


class TorchRuntime:
    """See ``runtime.Runtime``.

    Args:
        model: in evaluation mode.
        chosen: why torch computes it.
    """

    def __init__(self, model: Model, chosen: Chosen) -> None:
        self.model, self.chosen = model, chosen
        self.names, self.classes, self.target = model.names, model.classes, model.target
        self.specs, self.views, self.sparse = model.specs, model.views, model.sparse
        self.columns, self.reference = model.columns, model.reference
        self.reads_sparse = bool(model.mix.committee or model.reference)

    @classmethod
    def load(cls, folder: Path, chosen: Chosen) -> "TorchRuntime":
        """Read a model folder."""
        return cls(storage.load(folder), chosen)

    def answer(self, arrays: Mapping[str, Rows], present: NDArray[np.bool_]) -> Answered:
        """Answer encoded records; see ``runtime.Runtime``."""
        return Answered(
            inference=infer(self.model, arrays, present),
            light=light_rows(self.model, arrays, present) if self.reference else {},
        )

    def tempered(
        self, logits: NDArray[np.floating], temperature: NDArray[np.floating] | float
    ) -> NDArray[np.float64]:
        """Logits ``(n, classes)`` at a temperature."""
        return self.model.tempered(logits, temperature)
