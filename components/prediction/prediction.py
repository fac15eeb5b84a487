"""A model's prediction for one record."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The answer for one record.

    Attributes:
        label: the most probable class; None where a record has a set of classes.
        confidence: its calibrated probability.
        labels: the classes that the record is given, in order; perhaps none of them.
        probabilities: class to calibrated probability.
        modalities: the record's modalities, sorted; the answer is based on them.
        ood_score: how far the record is from training records, by the views that it has: .99 means
            farther than 99 of 100 of them; None where the model keeps none to compare with.
        abstained: whether records of so little confidence are more often answered wrong than right,
            as held-out training records tell; None where a record has a set of classes.
        embeddings: modality, and ``fused``, to unit vector ``(dim,)``.
        modality_logits: modality to its own logits ``(classes,)``; see `Classifier.contributions`.
    """

    label: str | None
    confidence: float | None
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    modalities: tuple[str, ...]
    ood_score: float | None
    abstained: bool | None
    embeddings: dict[str, Vector]
    modality_logits: dict[str, Vector]


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """The prediction from one modality of a record alone.

    Attributes:
        label: its most probable class; None where a record has a set of classes.
        labels: the classes that it gives.
        confidence: the calibrated probability of ``label``; None without one.
        probabilities: class to calibrated probability.
    """

    label: str | None
    labels: tuple[str, ...]
    confidence: float | None
    probabilities: dict[str, float]
