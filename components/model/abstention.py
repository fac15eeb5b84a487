"""When a model does better to give no answer.

Source: the optimum recognition error and reject tradeoff, Chow 1970 (doi:10.1109/TIT.1970.1054406),
with a right answer worth as much as a wrong one costs; no answer is worth nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.model.subsets import patterns, temperature

if TYPE_CHECKING:
    from components.model.network import Model
    from components.model.runtime import Runtime


def least_confidence(confidences: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """The confidence from which on answers are worth giving: right more often than wrong.

    It is the one that maximises right less wrong answers among those given; of equals the least.

    Args:
        confidences: ``(n,)`` of records that no part of the model was fitted to.
        right: ``(n,)`` whether their answer is right.

    Returns:
        0 where every answer is worth giving, or nothing is known; above 1 where none is.

    >>> confidence = np.array([0.2, 0.3, 0.6, 0.9])
    >>> least_confidence(confidence, np.array([False, False, True, True]))
    0.6
    """
    if not len(confidences):
        return 0.0
    levels, at = np.unique(confidences, return_inverse=True)
    worth = np.bincount(at, weights=np.where(right, 1.0, -1.0))
    gains = np.cumsum(worth[::-1])  # of answering from each level on, the surest first
    best = gains.max()
    if best < 0:
        return float(np.nextafter(1.0, 2.0))
    chosen = len(gains) - 1 - int(gains[::-1].argmax())
    return 0.0 if chosen == len(gains) - 1 else float(levels[::-1][chosen])


def fitted_threshold(model: "Model | Runtime", temperatures: Mapping[str, float]) -> float:
    """The least confidence of a model, from the labelled training records that it keeps.

    It is 0 where none are kept, or a record has no class or a set of them.

    Args:
        model: with the records and the answers of fits that did not see them.
        temperatures: by key of a subset of modalities.
    """
    kept = model.reference
    if kept is None or model.target.activation != "softmax" or not kept.judged.any():
        return 0.0
    at = kept.judged
    keys = patterns(kept.present[at], model.names)
    warmth = np.array([[temperature(temperatures, key)] for key in keys])
    found = model.target.probabilities(kept.logits[at] / warmth)
    return least_confidence(found.max(axis=1), found.argmax(axis=1) == kept.labels[at])
