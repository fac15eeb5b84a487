"""How much a method gains from few labels: its figure at rising numbers of labels.

Every method is run at the same numbers of labels, with the same nested draws. One number sums a
curve up, the area under it on a logarithmic scale of labels; another one says what it saves: with
how many labels it is as good as a baseline with more of them.

Source: learning curves on logarithmic sample sizes, Perlich et al. 2003 (JMLR 4); data utilisation
rates, Hestness et al. 2017 (arXiv:1712.00409).
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

METHOD = {
    "id": "E08",
    "name": "label-fraction sweeps",
    "for": "whether a method is better with few labels, and how many labels it saves",
    "needs": "a data set whose training records all have labels, so that some can be hidden",
    "use": "python -m benchmarks.methods E08",
}
Curve = Mapping[int, float]
"""Labels for each class to a figure; a mean over draws."""


def area(curve: Curve) -> float:
    """The mean figure over the range of labels on a logarithmic scale, by trapezoids.

    >>> area({1: 0.5, 2: 0.7, 8: 0.9})
    0.7333...
    """
    labels = sorted(curve)
    scale = np.log2(labels)
    values = [curve[k] for k in labels]
    return float(np.trapezoid(values, scale) / (scale[-1] - scale[0]))


def enough(curve: Curve, figure: float) -> float | None:
    """The fewest labels for each class with which a method reaches a figure; None if it never does.

    Between two numbers of labels the curve is a straight line on the logarithmic scale.

    >>> enough({1: 0.5, 4: 0.7}, 0.6), enough({1: 0.5, 4: 0.7}, 0.8)
    (2.0, None)
    """
    labels = sorted(curve)
    if curve[labels[0]] >= figure:
        return float(labels[0])
    for less, more in pairwise(labels):
        low, high = curve[less], curve[more]
        if high >= figure:
            share = (figure - low) / (high - low)
            return float(less * (more / less) ** share)
    return None


def saved(curve: Curve, baseline: Curve, at: int) -> float | None:
    """How many times fewer labels a method needs than a baseline with ``at`` labels of each class.

    Above 1 it saves labels, below 1 it needs more; None where it is never as good.

    >>> saved({1: 0.5, 4: 0.7, 16: 0.9}, {1: 0.3, 4: 0.5, 16: 0.7}, 16)
    4.0
    """
    needed = enough(curve, baseline[at])
    return None if needed is None else at / needed
