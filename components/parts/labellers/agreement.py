"""Where modalities agree their class is the label; where they do not, the surest one counts most.

With ``p^m`` what modality ``m`` of a record says alone, of those that it has:

- agreement: where all ``argmax p^m`` are one class, this is the label, with weight 1; other records
  get none,
- entropy: ``pbar = sum_m w_m p^m`` with ``w_m`` proportional to ``exp(-H(p^m))``; the label is
  ``argmax pbar``, with weight ``max pbar``.

A switch takes the first where the pool is like the labelled records: where modalities agree on the
pool nearly as often as on labelled records that were held out. Of sets of classes all of this
holds for each class, with the entropy of its yes and no.

Source: co-training, Blum & Mitchell 1998, Combining labeled and unlabeled data with co-training;
weights by entropy, general practice; SUMMIT has such a switch, whose estimate of the gap is another
(ours is the ratio of rates of agreement).
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.parts.labellers import fixed
from components.parts.labellers._sets import label_sets, supporters
from components.parts.labelling import Evidence, Labeller, PseudoLabels

METHOD = {
    "id": "S04",
    "name": "agreement filter and entropy weighting (SUMMIT)",
    "for": "pseudo-labels that do not rest on one modality's confidence",
    "needs": "two modalities with independent noise, records without a label",
    "use": "labeller: agreement",
}
MIN_MODALITIES = 2
"""One modality alone has nobody to agree with."""
_EVEN = 0.5


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which rule decides.

    Attributes:
        rule: ``switch`` chooses between the other two.
        alike: least rate of agreement on the pool, divided by that on held-out labelled records,
            at which the switch chooses ``agreement``.
        floor: weight below which the rule ``entropy`` accepts nothing.
    """

    rule: Literal["switch", "agreement", "entropy"] = "switch"
    alike: Annotated[float, Field(gt=0, le=10)] = 0.9
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0


def stacked(evidence: Evidence) -> NDArray[np.float64]:
    """Answers ``(n, m, classes)``; NaN where a record lacks the modality.

    They are as they would be without the shift of all answers: what moves every modality towards
    the same classes would pass for agreement.
    """
    names = sorted(evidence.by_modality)
    p = np.stack([evidence.by_modality[name] for name in names], axis=1)
    if evidence.shift is not None and evidence.shift.any():
        p = p * np.exp(-evidence.shift)
        p /= np.maximum(p.sum(axis=2, keepdims=True), 1e-300)
    return np.where(evidence.present[:, :, None], p, np.nan)


def entropies(p: NDArray[np.float64], *, binary: bool = False) -> NDArray[np.float64]:
    """Entropy ``(…)`` of distributions ``(…, classes)``; of each cell ``(…, classes)`` if binary.

    >>> entropies(np.array([[0.5, 0.5]])).round(3).tolist()
    [0.693]
    """
    parts = -p * np.log(np.maximum(p, 1e-12))
    if binary:
        return np.asarray(parts - (1 - p) * np.log(np.maximum(1 - p, 1e-12)))
    return np.asarray(parts.sum(axis=-1))


def weighted(p: NDArray[np.float64], *, binary: bool = False) -> NDArray[np.float64]:
    """``pbar (n, classes)`` of answers ``(n, m, classes)``; NaN ones do not count."""
    entropy = entropies(p, binary=binary) if binary else entropies(p)[:, :, None]
    weights = np.nan_to_num(np.exp(-entropy))
    total = np.maximum(weights.sum(axis=1), 1e-300)
    return np.asarray((weights * np.nan_to_num(p)).sum(axis=1) / total)


def agreed(p: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Records ``(n,)`` of two modalities or more, all of which give the same class."""
    own = np.nan_to_num(p, nan=-1.0).argmax(axis=2)
    low = np.where(present, own, p.shape[2]).min(axis=1)
    high = np.where(present, own, -1).max(axis=1)
    return np.asarray((present.sum(axis=1) > 1) & (low == high))


def rule_for(config: Config, pool: Evidence, held_out: Evidence) -> Literal["agreement", "entropy"]:
    """The rule that the configuration or the switch chooses."""
    if config.rule != "switch":
        return config.rule
    here, there = (_rate(evidence) for evidence in (pool, held_out))
    return "agreement" if here >= config.alike * there else "entropy"


def _rate(evidence: Evidence) -> float:
    """Share of the records with two modalities in which they agree; 0 without any."""
    several = evidence.present.sum(axis=1) > 1
    if not several.any():
        return 0.0
    return float(agreed(stacked(evidence), evidence.present)[several].mean())


def label(
    config: Config,
    pool: Evidence,
    held_out: Evidence,
    labels: NDArray[np.int64],
    prior: NDArray[np.float64],
) -> PseudoLabels:
    """Label a pool; see `Labeller`."""
    del prior
    rule = rule_for(config, pool, held_out)
    if labels.ndim > 1:
        return _sets(rule, pool)
    p = stacked(pool)
    same, mean = agreed(p, pool.present), weighted(p)
    answer = mean.argmax(axis=1) if len(mean) else np.empty(0, np.int64)
    if rule == "agreement":  # the class that all give is that of any weighted mean, or nearly so
        own = np.nan_to_num(p, nan=-1.0).argmax(axis=2)
        first = own[np.arange(len(own)), pool.present.argmax(axis=1)] if len(own) else answer
        answer = np.where(same, first, answer)
    confidence = mean.max(axis=1, initial=0.0)
    accepted = same if rule == "agreement" else confidence >= config.floor
    accepted = accepted & pool.present.any(axis=1)
    return PseudoLabels(
        labels=answer,
        confidence=np.minimum(np.where(same & (rule == "agreement"), 1.0, confidence), 1.0),
        accepted=accepted,
        sources=supporters(_plain(pool, p), answer),
        reasons=[_reason(rule, yes) for yes in accepted],
        thresholds=np.full(mean.shape[1], config.floor if rule == "entropy" else np.nan),
        soft=mean if rule == "entropy" else None,
    )


def _plain(pool: Evidence, p: NDArray[np.float64]) -> Evidence:
    """The pool with answers ``p (n, m, classes)``."""
    names = sorted(pool.by_modality)
    return replace(pool, by_modality={name: p[:, at] for at, name in enumerate(names)})


def _reason(rule: str, accepted: bool) -> str:
    if rule == "agreement":
        return "modalities agree" if accepted else "modalities disagree"
    return "weighted by entropy" if accepted else "low confidence"


def _sets(rule: str, pool: Evidence) -> PseudoLabels:
    """The same for each class of sets."""
    p = stacked(pool)
    if rule == "entropy":
        return label_sets(fixed.Config(agree=0), replace(pool, fused=weighted(p, binary=True)))
    several = (pool.present.sum(axis=1) > 1)[:, None]
    yes = np.nan_to_num(p, nan=1.0) >= _EVEN
    no = np.nan_to_num(p, nan=0.0) < _EVEN
    given, denied = yes.all(axis=1) & several, no.all(axis=1) & several
    accepted = given.any(axis=1)
    answer = np.where(given, 1, np.where(denied, 0, -1))
    return PseudoLabels(
        labels=answer,
        confidence=accepted.astype(np.float64),
        accepted=accepted,
        sources=supporters(_plain(pool, p), answer),
        reasons=[_reason(rule, one) for one in accepted],
        thresholds=np.full(p.shape[2], np.nan),
    )


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
