"""Pseudo-labels of sets: each class of a record is accepted, refused, or left unknown by itself.

The rules are those of `fixed` for every class: a class is given where its probability reaches the
class's threshold and enough modalities give it too, and denied where the probability is so low that
the answer "no" reaches the threshold. A class between the two stays unknown, and no loss reads it.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.core.names import FUSED
from components.parts.labelling import Evidence, PseudoLabels

if TYPE_CHECKING:
    from components.parts.labellers.fixed import Config

_EVEN = 0.5


def label_sets(config: "Config", pool: Evidence) -> PseudoLabels:
    """Label a pool of records whose labels are sets; see `components.parts.labelling.Labeller`.

    A record is accepted if a class is given; its confidence is the mean over its known classes.
    """
    p, names = pool.fused, sorted(pool.by_modality)
    least = np.array([_threshold(p[:, c], config) for c in range(p.shape[1])])
    own = np.stack([pool.by_modality[name] >= _EVEN for name in names], axis=1)
    own &= pool.present[:, :, None]
    count = pool.present.sum(axis=1)
    needed = np.where(count < 2, 0, np.minimum(config.agree, count))
    sure = p >= np.nan_to_num(least, nan=np.inf)
    given = sure & (own.sum(axis=1) >= needed[:, None])
    denied = 1 - p >= config.threshold
    known = given | denied
    accepted = given.any(axis=1)
    certainty = np.where(known, np.maximum(p, 1 - p), 0.0)
    return PseudoLabels(
        labels=np.where(given, 1, np.where(denied, 0, -1)),
        confidence=certainty.sum(axis=1) / np.maximum(known.sum(axis=1), 1),
        accepted=accepted,
        sources=[
            [FUSED, *(n for n, yes in zip(names, row, strict=True) if yes)]
            for row in (own & given[:, None, :]).any(axis=2)
        ],
        reasons=[
            "accepted" if yes else "modalities disagree" if some else "low confidence"
            for yes, some in zip(accepted, sure.any(axis=1), strict=True)
        ],
        thresholds=least,
    )


def supporters(pool: Evidence, labels: NDArray[np.int64]) -> list[list[str]]:
    """Which modalities of each record give its label ``(n, …)`` alone; of sets, a class of it."""
    names = sorted(pool.by_modality)
    own = np.stack([pool.by_modality[name] for name in names], axis=1)
    if labels.ndim == 1:
        gives = own.argmax(axis=2) == labels[:, None]
    else:
        gives = ((own >= _EVEN) & (labels == 1)[:, None, :]).any(axis=2)
    return [
        [name for name, yes in zip(names, row, strict=True) if yes] for row in gives & pool.present
    ]


def _threshold(p: NDArray[np.float64], config: "Config") -> float:
    """Least probability ``p (n,)`` at which a class is given; NaN where no record may have it."""
    likely = p[p >= _EVEN]
    if not len(likely):
        return float("nan")
    confident = float(np.quantile(likely, config.quantile))
    return min(config.threshold, max(config.floor, confident))
