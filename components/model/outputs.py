"""Outputs of a model for records, from any runtime."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Inference:
    """Model outputs for ``n`` records, all float32.

    Attributes:
        logits: ``(n, classes)`` of the fused vector; NaN where the record has none of the chosen
            modalities.
        modality_logits: modality name to ``(n, classes)``; NaN where it is absent, not chosen or
            not asked for.
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

    @classmethod
    def blank(cls, n: int, classes: int, dim: int, names: Sequence[str]) -> "Inference":
        """Empty outputs for ``n`` records, to be filled in."""
        return cls(
            logits=np.full((n, classes), np.nan, np.float32),
            modality_logits={m: np.full((n, classes), np.nan, np.float32) for m in names},
            embeddings={m: np.zeros((n, dim), np.float32) for m in names},
            fused=np.zeros((n, dim), np.float32),
        )
