"""Two models on the same rows: paired bootstrap and the exact McNemar test.

Source: McNemar 1947; paired bootstrap, Efron & Tibshirani 1993, An introduction to the bootstrap. A
resample is drawn as multinomial counts of the distinct rows (true class, answer of A, answer of B).
This is the same distribution as drawing rows with replacement, and needs no rows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.parts.classification import Classes, accuracy, macro_f1

Metric = Literal["accuracy", "macro_f1"]
_CHUNK_CELLS = 4_000_000  # counts held at a time: 32 MB


@dataclass(frozen=True, kw_only=True)
class Interval:
    """``metric(a) - metric(b)`` with its percentile confidence limits."""

    difference: float
    low: float
    high: float


def paired_bootstrap(
    labels: Classes,
    a: Classes,
    b: Classes,
    *,
    metric: Metric = "accuracy",
    resamples: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Interval:
    """How much better A's answers are than B's on the same rows, with a ``1 - alpha`` interval.

    Args:
        labels: ``(n,)`` true classes, numbers or names.
        a: ``(n,)`` answers of the first model.
        b: ``(n,)`` answers of the second.
        metric: what is compared; macro-F1 counts the classes that occur in each resample.
        resamples: draws of ``n`` rows with replacement.
        alpha: both tails together.
        seed: seed of numpy's default generator.

    Raises:
        UserError: no rows, or columns of unequal length.
    """
    labels, a, b = np.asarray(labels), np.asarray(a), np.asarray(b)
    if not len(labels) or not len(labels) == len(a) == len(b):
        raise UserError(
            f"cannot compare two models: got {len(labels)} labels, {len(a)} and {len(b)} answers; "
            "wanted the same rows, at least one"
        )
    rng = np.random.default_rng(seed)
    if metric == "accuracy":
        point = accuracy(labels, a) - accuracy(labels, b)
        draws = _accuracy_draws(a == labels, b == labels, resamples, rng)
    else:
        point = macro_f1(labels, a) - macro_f1(labels, b)
        draws = _macro_f1_draws(labels, a, b, resamples, rng)
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return Interval(difference=point, low=float(low), high=float(high))


def mcnemar(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> float:
    """Exact two-sided p-value of the hypothesis that A and B are right equally often.

    Only rows where exactly one of them is right count.

    Args:
        right_a: ``(n,)`` whether A is right.
        right_b: ``(n,)`` whether B is right.
    """
    from scipy.stats import binomtest

    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    return 1.0 if only_a + only_b == 0 else float(binomtest(only_a, only_a + only_b).pvalue)


def _accuracy_draws(
    right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    n = len(right_a)
    kinds = np.array(
        [np.sum(right_a & ~right_b), np.sum(right_b & ~right_a), np.sum(right_a == right_b)]
    )
    counts = rng.multinomial(n, kinds / n, size=resamples)
    draws: NDArray[np.float64] = (counts[:, 0] - counts[:, 1]) / n
    return draws


def _macro_f1_draws(
    labels: Classes, a: Classes, b: Classes, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    names, codes = np.unique(np.concatenate([labels, a, b]), return_inverse=True)
    rows = codes.reshape(3, -1).T
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    draws = np.empty(resamples)
    step = max(1, _CHUNK_CELLS // len(kinds))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = rng.multinomial(len(rows), counts / len(rows), size=size).astype(np.float64)
        draws[start : start + size] = _macro_f1(drawn, kinds, 1, len(names)) - _macro_f1(
            drawn, kinds, 2, len(names)
        )
    return draws


def _macro_f1(
    drawn: NDArray[np.float64], kinds: NDArray[np.int64], column: int, classes: int
) -> NDArray[np.float64]:
    """Macro-F1 ``(draws,)`` from counts ``(draws, kinds)`` of kinds of row ``(kinds, 3)``."""
    true, predicted = kinds[:, 0], kinds[:, column]
    support, predicted_count = drawn @ np.eye(classes)[true], drawn @ np.eye(classes)[predicted]
    hits = drawn @ (np.eye(classes)[true] * (true == predicted)[:, None])
    f1 = np.where(support > 0, 2 * hits / np.maximum(support + predicted_count, 1), 0.0)
    result: NDArray[np.float64] = f1.sum(axis=1) / (support > 0).sum(axis=1)
    return result
