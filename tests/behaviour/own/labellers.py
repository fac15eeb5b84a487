"""Accepts every answer above a threshold."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from components.parts.labelling import PseudoLabels


@dataclass(frozen=True, kw_only=True)
class Config:
    threshold: float = 0.3


def label(config, pool, validation, labels, prior):
    confidence = pool.fused.max(axis=1, initial=0.0)
    accepted = confidence >= config.threshold
    return PseudoLabels(
        labels=pool.fused.argmax(axis=1),
        confidence=confidence,
        accepted=accepted,
        sources=[["fused"] for _ in confidence],
        reasons=["accepted" if yes else "low confidence" for yes in accepted],
        thresholds=np.full(pool.fused.shape[1], config.threshold),
    )


def build(config):
    return partial(label, config)
