"""A threshold for each class, and agreement of modalities where at least two are there.

Source: S01, FixMatch, Sohn et al. 2020 (arXiv:2001.07685) for the fixed threshold, here of a calibrated teacher and once, not
in each step; S04 (a) for the agreement. For class c with confidences P_c of the pool records that the teacher calls c:
``t_c = min(threshold, max(floor, quantile_q(P_c)))``, so that a class whose every record is unsure still gives its surest ones.
Labels are often chosen evenly where the data are not; the class shares of the pool are estimated as in Saerens et al. 2002,
Adjusting the outputs of a classifier to new a priori probabilities.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UsageError
from components.parts.labelling import Evidence, Labeller, PseudoLabels

_TEMPERATURES = tuple(2.0 ** (i / 10) for i in range(-20, 21))
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


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
        prior: ``estimated`` shifts the teacher's answers from the class shares of its labels to those of the pool; ``none``
            takes them as they are.
    """

    threshold: float = 0.8
    floor: float = 0.5
    quantile: float = 0.8
    agree: int = 2
    prior: Literal["estimated", "none"] = "estimated"

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.threshold <= 1:
            raise UsageError(
                f"fixed: got floor {self.floor} and threshold {self.threshold}, wanted 0 <= floor <= threshold <= 1"
            )
        if not 0 <= self.quantile <= 1 or self.agree < 0:
            raise UsageError(
                f"fixed: got quantile {self.quantile} and agree {self.agree}, wanted 0 to 1 and 0 or more"
            )


def thresholds(
    confidence: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: int,
    *,
    threshold: float,
    floor: float,
    quantile: float,
) -> NDArray[np.float64]:
    """Least confidence of each class ``(classes,)``; NaN for a class that no record of the pool has.

    >>> thresholds(np.array([0.5, 0.6, 0.9]), np.array([0, 0, 1]), 3, threshold=0.8, floor=0.2, quantile=1.0).tolist()
    [0.6, 0.8, nan]
    """
    found = np.full(classes, np.nan)
    for c in np.unique(labels):
        found[c] = min(threshold, max(floor, float(np.quantile(confidence[labels == c], quantile))))
    return found


def shifted(
    p: NDArray[np.float64], ratio: NDArray[np.float64], temperature: float = 1.0
) -> NDArray[np.float64]:
    """``normalise(p^(1 / temperature) * ratio)`` of rows ``(n, classes)``.

    >>> shifted(np.array([[0.5, 0.5]]), np.array([3.0, 1.0])).tolist()
    [[0.75, 0.25]]
    """
    logs = np.log(np.maximum(p, 1e-12)) / temperature + np.log(ratio)
    found: NDArray[np.float64] = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
    found /= found.sum(axis=1, keepdims=True)
    return found


def estimated_shares(
    p: NDArray[np.float64], prior: NDArray[np.float64], rounds: int = 100
) -> NDArray[np.float64]:
    """Class shares of a pool by expectation maximisation: ``q <- mean_n normalise(p_n * q / prior)``, from ``q = prior``."""
    shares: NDArray[np.float64] = prior
    for _ in range(rounds if len(p) else 0):
        shares = np.maximum(shifted(p, shares / prior).mean(axis=0), 1e-6)
    total: float = shares.sum()
    return shares / total


def adjust(
    pool: Evidence, validation: Evidence, labels: NDArray[np.int64], prior: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Factors ``(classes,)`` that lead from the labels' shares to the pool's, and the temperature that goes with them.

    The shares depend on the temperature and the other way round: they are found in turns. An estimate can be far off where the
    teacher is poor, so only as much of it is used (``ratio ** strength``) as makes the validation labels likeliest.
    """
    prior = np.maximum(prior, 1e-6)
    temperature, ratio = 1.0, np.ones(len(prior))
    if not len(labels):
        return ratio, temperature
    rows = np.arange(len(labels))

    def miss(factors: NDArray[np.float64], t: float) -> float:
        return float(-np.log(shifted(validation.fused, factors, t)[rows, labels] + 1e-12).mean())

    for _ in range(2):
        estimate = (
            estimated_shares(shifted(pool.fused, np.ones(len(prior)), temperature), prior) / prior
        )
        _, strength, temperature = min(
            (miss(estimate**s, t), s, t) for s in _STRENGTHS for t in _TEMPERATURES
        )
        ratio = estimate**strength
    return ratio, temperature


def label(
    config: Config,
    pool: Evidence,
    validation: Evidence,
    labels: NDArray[np.int64],
    prior: NDArray[np.float64],
) -> PseudoLabels:
    """Label a pool; validation records only set the temperature."""
    n, classes = pool.fused.shape
    ratio, temperature = np.ones(classes), 1.0
    if config.prior == "estimated" and n:
        ratio, temperature = adjust(pool, validation, labels, prior)
    fused = shifted(pool.fused, ratio, temperature)
    answer = fused.argmax(axis=1)
    confidence = fused.max(axis=1, initial=0.0)
    least = thresholds(
        confidence,
        answer,
        classes,
        threshold=config.threshold,
        floor=config.floor,
        quantile=config.quantile,
    )
    names = sorted(pool.by_modality)
    says = np.stack(
        [shifted(pool.by_modality[name], ratio).argmax(axis=1) for name in names], axis=1
    )
    same = (says == answer[:, None]) & pool.present
    count = pool.present.sum(axis=1)
    agreed = (count < 2) | (same.sum(axis=1) >= np.minimum(config.agree, count))
    sure = confidence >= least[answer]
    reasons = np.where(
        sure & agreed, "accepted", np.where(sure, "modalities disagree", "low confidence")
    )
    return PseudoLabels(
        labels=answer,
        confidence=confidence,
        accepted=sure & agreed,
        sources=[
            ["fused", *(name for name, yes in zip(names, same[row], strict=True) if yes)]
            for row in range(n)
        ],
        reasons=[str(reason) for reason in reasons],
        thresholds=least,
    )


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
