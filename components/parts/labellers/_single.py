"""Pseudo-labels of one class for each record, from distributions over the classes."""

import numpy as np
from numpy.typing import NDArray

from components.parts.labellers._sets import supporters
from components.parts.labelling import Evidence, PseudoLabels


def label_classes(
    pool: Evidence,
    p: NDArray[np.float64],
    confidence: NDArray[np.float64],
    *,
    floor: float,
    barred: NDArray[np.bool_],
    why: str,
) -> PseudoLabels:
    """Label a pool with its likeliest classes, and keep the distributions to learn from.

    Args:
        pool: the records.
        p: a distribution of each record ``(n, classes)``.
        confidence: ``(n,)``.
        floor: confidence below which nothing is accepted, at most 1.
        barred: records that are refused whatever their confidence ``(n,)``.
        why: the reason given for those.
    """
    accepted = ~barred & (confidence >= floor)
    answer = p.argmax(axis=1) if len(p) else np.empty(0, np.int64)
    return PseudoLabels(
        labels=answer,
        confidence=np.minimum(confidence, 1.0),
        accepted=accepted,
        sources=supporters(pool, answer),
        reasons=[
            "accepted" if yes else why if no else "low confidence"
            for yes, no in zip(accepted, barred, strict=True)
        ],
        thresholds=np.full(p.shape[1], floor),
        soft=p,
    )
