"""Heads that a labeller fits again and again while it goes through its rounds."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.parts.heads import logistic
from components.parts.labelling import Vectors
from components.parts.linear import Activation, Linear, activated

_STRENGTH, _STEPS = 10.0, 40


def fitted(
    features: Mapping[str, Vectors],
    targets: NDArray[np.floating],
    weights: NDArray[np.floating],
    activation: Activation,
) -> dict[str, Linear]:
    """Logistic heads on each view, one for each column of weights.

    Args:
        features: view name to ``(n, dim)``; zeros where a record lacks the view.
        targets: ``(n, classes)``, soft ones too.
        weights: ``(n, heads)``.
        activation: of the logits.
    """
    head = logistic.build(logistic.Config(strengths=(_STRENGTH,), iterations=_STEPS))
    found = {}
    for view, x in features.items():
        has = x.any(axis=1)
        if has.any():
            (found[view],) = head.path(x[has], targets[has], weights[has], activation)
    return found


def answers(
    heads: Mapping[str, Linear], features: Mapping[str, Vectors], activation: Activation
) -> NDArray[np.float64]:
    """Probabilities ``(views x heads, n, classes)``; NaN where a record lacks the view."""
    found = []
    for view, linear in heads.items():
        x = features[view]
        for fit in range(len(linear.bias)):
            logits = linear.logits(x, fit).astype(np.float64)
            p = np.asarray(activated(logits, np.zeros_like(logits), activation)[0])
            has: NDArray[np.bool_] = np.asarray(x.any(axis=1))
            found.append(np.where(has[:, None], p, np.nan))
    return np.stack(found)
