"""A threshold for each class, and agreement of modalities where at least two are there.

Source: S01, FixMatch, Sohn et al. 2020 (arXiv:2001.07685) for the fixed threshold, here of a calibrated teacher and once, not
in each step; S04 (a) for the agreement. For class c with confidences P_c of the pool records that the teacher calls c:
``t_c = min(threshold, max(floor, quantile_q(P_c)))``, so that a class whose every record is unsure still gives its surest ones.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from components.errors import UsageError
from components.labelling import Evidence, Labeller, PseudoLabels


@dataclass(frozen=True, kw_only=True)
class Config:
    """When a pseudo-label is accepted.

    Attributes:
        threshold: confidence that is always enough.
        floor: confidence below which nothing is accepted.
        quantile: share of a class's records that may be refused for low confidence where none reaches the threshold; 1 leaves
            the fixed threshold alone.
        agree: how many of a record's modalities must say the same class on their own (all of them where it has fewer); asked
            only of records with two modalities or more. 0 asks nothing.
    """

    threshold: float = 0.8
    floor: float = 0.5
    quantile: float = 0.8
    agree: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.threshold <= 1:
            raise UsageError(
                f"fixed: got floor {self.floor} and threshold {self.threshold}, wanted 0 <= floor <= threshold <= 1"
            )
        if not 0 <= self.quantile <= 1 or self.agree < 0:
            raise UsageError(f"fixed: got quantile {self.quantile} and agree {self.agree}, wanted 0 to 1 and 0 or more")


def thresholds(
    confidence: NDArray[np.float64], labels: NDArray[np.int64], classes: int, *, threshold: float, floor: float, quantile: float
) -> NDArray[np.float64]:
    """Least confidence of each class ``(classes,)``; NaN for a class that no record of the pool has.

    >>> thresholds(np.array([0.5, 0.6, 0.9]), np.array([0, 0, 1]), 3, threshold=0.8, floor=0.2, quantile=1.0).tolist()
    [0.6, 0.8, nan]
    """
    found = np.full(classes, np.nan)
    for c in np.unique(labels):
        found[c] = min(threshold, max(floor, float(np.quantile(confidence[labels == c], quantile))))
    return found


def label(config: Config, pool: Evidence, validation: Evidence, labels: NDArray[np.int64]) -> PseudoLabels:  # noqa: ARG001
    """Label a pool; the validation records have already set the calibration, and are not read again."""
    n, classes = pool.fused.shape
    answer = pool.fused.argmax(axis=1)
    confidence = pool.fused.max(axis=1, initial=0.0)
    least = thresholds(confidence, answer, classes, threshold=config.threshold, floor=config.floor, quantile=config.quantile)
    names = sorted(pool.by_modality)
    says = np.stack([pool.by_modality[name].argmax(axis=1) for name in names], axis=1)
    same = (says == answer[:, None]) & pool.present
    count = pool.present.sum(axis=1)
    agreed = (count < 2) | (same.sum(axis=1) >= np.minimum(config.agree, count))
    sure = confidence >= least[answer]
    reasons = np.where(sure & agreed, "accepted", np.where(sure, "modalities disagree", "low confidence"))
    return PseudoLabels(
        labels=answer,
        confidence=confidence,
        accepted=sure & agreed,
        sources=[["fused", *(name for name, yes in zip(names, same[row], strict=True) if yes)] for row in range(n)],
        reasons=[str(reason) for reason in reasons],
        thresholds=least,
    )


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
