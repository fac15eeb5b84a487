"""What labellers receive and return: calibrated probabilities and pseudo-labels, no model."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Calibrated probabilities of ``n`` records.

    Attributes:
        fused: ``(n, classes)`` from all modalities of the record.
        by_modality: modality name to ``(n, classes)`` from it alone; rows where it is absent have
            no meaning.
        present: ``(n, modalities)``, modalities sorted by name.
    """

    fused: NDArray[np.float64]
    by_modality: dict[str, NDArray[np.float64]]
    present: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PseudoLabels:
    """One answer for each record.

    Attributes:
        labels: class number ``(n,)``; of sets ``(n, classes)`` with 1, 0, and -1 for a class that
            is neither given nor denied.
        confidence: ``(n,)``, 0 to 1; the weight that an accepted one gets in training.
        accepted: ``(n,)`` bool.
        sources: for each record what supports its label: ``fused`` and names of modalities.
        reasons: for each record why it was accepted or refused.
        thresholds: ``(classes,)`` least confidence that is accepted; NaN for a class without one.
        soft: distributions ``(n, classes)`` to learn in place of the labels; None: the labels.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    sources: list[list[str]]
    reasons: list[str]
    thresholds: NDArray[np.float64]
    soft: NDArray[np.float64] | None = None


class Labeller(Protocol):
    """Gives pseudo-labels; ``build(config)`` of a file in ``labellers/`` returns one."""

    def __call__(
        self,
        pool: Evidence,
        held_out: Evidence,
        labels: NDArray[np.int64],
        prior: NDArray[np.float64],
    ) -> PseudoLabels:
        """Label a pool of records.

        Args:
            pool: the records without a visible label.
            held_out: labelled records, each judged without its own label, on which a labeller may
                tune itself; others than those that will choose between committee and student.
            labels: their coded labels ``(n, …)``.
            prior: ``(classes,)`` share of each class among the labels that the committee
                learned from.
        """
        ...
