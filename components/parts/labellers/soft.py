"""Every record whose class is likelier than all others together, with its whole distribution.

How much a label counts is its confidence, corrected by what agreement of modalities says: labelled
records that were held out tell how often answers are right where all modalities of a record give
the same class on their own, and where they do not.

Source: self-training with soft labels, Xie et al. 2020 (arXiv:1911.04252); agreement of views,
Blum & Mitchell 1998, Combining labeled and unlabeled data with co-training.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.names import FUSED
from components.parts.labellers import fixed
from components.parts.labellers._sets import label_sets
from components.parts.labelling import Evidence, Labeller, PseudoLabels

METHOD = {
    "id": "S04",
    "name": "soft labels, confidence corrected by agreement (self-training)",
    "for": "a student that learns from every record the committee is sure of; the default",
    "needs": "records without a label",
    "use": "labeller: soft",
}
_PRIOR = 10.0
"""Held-out records that the confidence as it is counts for, beside those that correct it."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Conditions under which a pseudo-label is accepted.

    Attributes:
        floor: confidence below which nothing is accepted.
    """

    floor: Annotated[float, Field(ge=0, le=1)] = 0.5


def label(
    config: Config,
    pool: Evidence,
    held_out: Evidence,
    labels: NDArray[np.int64],
    prior: NDArray[np.float64],
) -> PseudoLabels:
    """Label a pool; see `Labeller`."""
    del prior
    if labels.ndim > 1:
        return _sets(config, pool)
    answer, same, group = _agreement(pool)
    confidence = pool.fused.max(axis=1, initial=0.0)
    known, _, known_group = _agreement(held_out)
    for number in np.unique(group):
        at = known_group == number
        right = float((known == labels)[at].sum())
        expected = float(held_out.fused.max(axis=1, initial=0.0)[at].sum())
        confidence[group == number] *= (right + _PRIOR) / (expected + _PRIOR)
    confidence = np.minimum(confidence, 1.0)
    accepted = confidence > config.floor
    names = sorted(pool.by_modality)
    return PseudoLabels(
        labels=answer,
        confidence=confidence,
        accepted=accepted,
        sources=[
            [FUSED, *(name for name, yes in zip(names, row, strict=True) if yes)] for row in same
        ],
        reasons=["accepted" if yes else "low confidence" for yes in accepted],
        thresholds=np.full(pool.fused.shape[1], config.floor),
        soft=pool.fused,
    )


def _sets(config: Config, pool: Evidence) -> PseudoLabels:
    """Every record that is likelier than not to have some class, with all its probabilities."""
    decided = label_sets(fixed.Config(threshold=config.floor, floor=config.floor, agree=0), pool)
    return replace(decided, soft=pool.fused)


def _agreement(
    evidence: Evidence,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """The answers ``(n,)``, which modalities give them ``(n, m)``, and a group ``(n,)``.

    The group is 0 for records of one modality, 1 where all agree, 2 where not.
    """
    answer = evidence.fused.argmax(axis=1) if len(evidence.fused) else np.empty(0, np.int64)
    names = sorted(evidence.by_modality)
    own = [evidence.by_modality[name].argmax(axis=1) == answer for name in names]
    same = np.stack(own, axis=1) & evidence.present
    count = evidence.present.sum(axis=1)
    group = np.where(count < 2, 0, np.where(same.sum(axis=1) == count, 1, 2))
    return answer, same, group


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
