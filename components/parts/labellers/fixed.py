"""A threshold for each class, and agreement of modalities where a record has at least two.

Source: FixMatch, Sohn et al. 2020 (arXiv:2001.07685), for the fixed threshold, here of a calibrated
teacher and applied once, not in each step; Blum & Mitchell 1998, Combining labeled and unlabeled
data with co-training, for the agreement. For class c with confidences P_c of the pool records that
the teacher assigns to c: ``t_c = min(threshold, max(floor, quantile_q(P_c)))``, so that a class
without a confident record still contributes its most confident ones. Labels are often chosen evenly
among classes although the data are not even; the class shares of the pool are estimated as in
Saerens et al. 2002, Adjusting the outputs of a classifier to new a priori probabilities.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.core.names import FUSED
from components.parts.labellers._sets import label_sets
from components.parts.labelling import Evidence, Labeller, PseudoLabels

METHOD = {
    "id": "S04",
    "name": "thresholds of each class, with agreement of modalities (co-training)",
    "for": "few but precise pseudo-labels",
    "needs": "records without a label; two modalities for the agreement",
    "use": "labeller: fixed",
}
_TEMPERATURES = tuple(2.0 ** (i / 10) for i in range(-20, 21))
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Conditions under which a pseudo-label is accepted.

    Attributes:
        threshold: confidence that is always enough.
        floor: confidence below which nothing is accepted; at most ``threshold``.
        quantile: share of a class's records that may be refused for low confidence where none
            reaches the threshold; 1 keeps the fixed threshold.
        agree: how many of a record's modalities must predict the label on their own (all of them
            where it has fewer); applies to records with two modalities or more. 0 turns the rule
            off.
        prior: ``estimated`` shifts the teacher's probabilities from the class shares of its labels
            to those of the pool; ``none`` leaves them unchanged.
    """

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    floor: Annotated[float, Field(ge=0, le=1)] = 0.5
    quantile: Annotated[float, Field(ge=0, le=1)] = 0.8
    agree: Annotated[int, Field(ge=0, le=1_000)] = 2
    prior: Literal["estimated", "none"] = "estimated"

    @model_validator(mode="after")
    def _floor_below_threshold(self) -> "Config":
        if self.floor > self.threshold:
            raise ValueError(
                f"got floor {self.floor} and threshold {self.threshold}, wanted floor <= threshold"
            )
        return self


def thresholds(
    confidence: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: int,
    *,
    threshold: float,
    floor: float,
    quantile: float,
) -> NDArray[np.float64]:
    """Least confidence ``(classes,)`` from ``confidence (n,)`` and predicted ``labels (n,)``.

    It is NaN for a class that no record of the pool has.

    >>> confidence, labels = np.array([0.5, 0.6, 0.9]), np.array([0, 0, 1])
    >>> thresholds(confidence, labels, 3, threshold=0.8, floor=0.2, quantile=1.0).tolist()
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
    """Class shares ``(classes,)`` of a pool ``p (n, classes)`` by expectation maximisation.

    ``q <- mean_n normalise(p_n * q / prior)``, starting from ``q = prior (classes,)``.
    """
    shares: NDArray[np.float64] = prior
    for _ in range(rounds if len(p) else 0):
        shares = np.maximum(shifted(p, shares / prior).mean(axis=0), 1e-6)
    total: float = shares.sum()
    return shares / total


def adjust(
    pool: Evidence, held_out: Evidence, labels: NDArray[np.int64], prior: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Factors ``(classes,)`` from the labels' class shares to the pool's, and a temperature.

    Shares and temperature depend on each other and are estimated in turn. An estimate can be far
    off if the teacher is poor, so it is applied with the strength (``ratio ** strength``) that
    makes the held-out labels ``(n,)`` most likely. ``prior`` is ``(classes,)``.
    """
    prior = np.maximum(prior, 1e-6)
    temperature, ratio = 1.0, np.ones(len(prior))
    if not len(labels):
        return ratio, temperature
    rows = np.arange(len(labels))

    def miss(factors: NDArray[np.float64], t: float) -> float:
        return float(-np.log(shifted(held_out.fused, factors, t)[rows, labels] + 1e-12).mean())

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
    held_out: Evidence,
    labels: NDArray[np.int64],
    prior: NDArray[np.float64],
) -> PseudoLabels:
    """Label a pool; see `Labeller`."""
    if labels.ndim > 1:
        return label_sets(config, pool)
    n, classes = pool.fused.shape
    ratio, temperature = np.ones(classes), 1.0
    if config.prior == "estimated" and n:
        ratio, temperature = adjust(pool, held_out, labels, prior)
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
    own = np.stack(
        [shifted(pool.by_modality[name], ratio).argmax(axis=1) for name in names], axis=1
    )
    same = (own == answer[:, None]) & pool.present
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
            [FUSED, *(name for name, yes in zip(names, same[row], strict=True) if yes)]
            for row in range(n)
        ],
        reasons=[str(reason) for reason in reasons],
        thresholds=least,
    )


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
