"""Two models on the same rows: paired bootstrap and the exact McNemar test.

Source: McNemar 1947; paired bootstrap, Efron & Tibshirani 1993, An introduction to the bootstrap. A
resample is drawn as multinomial counts: of the distinct rows (true class, answer of A, answer of
B), or of the rows themselves where the answers are probabilities. This is the same distribution as
drawing rows with replacement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.parts.classification import Classes, accuracy, macro_f1
from components.parts.label_sets import average_precisions, macro_map

Metric = Literal["accuracy", "macro_f1", "macro_map", "recall@10"]
Answers = NDArray[Any]
"""``(n,)`` class numbers or names; ``(n, classes)`` probabilities for ``macro_map``; for
``recall@10`` ``(n, directions)`` hits, NaN where a record is not a query."""
_CHUNK_CELLS = 4_000_000  # counts held at a time: 32 MB


@dataclass(frozen=True, kw_only=True)
class Interval:
    """``metric(a) - metric(b)`` with its percentile confidence limits."""

    difference: float
    low: float
    high: float


def paired_bootstrap(
    labels: Answers,
    a: Answers,
    b: Answers,
    *,
    metric: Metric = "accuracy",
    resamples: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Interval:
    """How much better A's answers are than B's on the same rows, with a ``1 - alpha`` interval.

    Args:
        labels: ``(n,)`` true classes, numbers or names; ``(n, classes)`` coded sets for
            ``macro_map``; not read for ``recall@10``.
        a: ``(n, …)`` answers of the first model, see ``Answers``.
        b: ``(n, …)`` answers of the second.
        metric: what is compared; macro figures count the classes that occur in each resample.
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
    if metric == "macro_map":
        point = macro_map(labels, a) - macro_map(labels, b)
        draws = _row_draws(labels, a, b, _macro_map, resamples, rng)
    elif metric == "recall@10":
        once = np.ones((1, len(a)))
        point = float((_recall(labels, a, once) - _recall(labels, b, once))[0])
        draws = _row_draws(labels, a, b, _recall, resamples, rng)
    elif metric == "accuracy":
        point = accuracy(labels, a) - accuracy(labels, b)
        draws = _accuracy_draws(a == labels, b == labels, resamples, rng)
    else:
        point = macro_f1(labels, a) - macro_f1(labels, b)
        draws = _macro_f1_draws(labels, a, b, resamples, rng)
    low, high = np.nanquantile(draws, [alpha / 2, 1 - alpha / 2])
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


def nearer(labels: Answers, a: Answers, b: Answers, metric: Metric) -> NDArray[np.int64]:
    """On each row 1 where A's answer is the better one, -1 where B's is, 0 where both are equal.

    A class is right or wrong. Of probabilities that with the smaller squared error is better, of
    searches that which finds more.
    """
    better: NDArray[Any]
    if metric == "macro_map":
        errors = [np.where(labels >= 0, (x - labels) ** 2, 0.0).sum(axis=1) for x in (a, b)]
        better = errors[1] - errors[0]
    elif metric == "recall@10":
        better = np.nansum(a, axis=1) - np.nansum(b, axis=1)
    else:
        better = (a == labels).astype(np.int64) - (b == labels).astype(np.int64)
    return np.asarray(np.sign(better), dtype=np.int64)


def figure(labels: Answers, answers: Answers, metric: Metric) -> float:
    """The metric of one model's answers."""
    match metric:
        case "macro_map":
            return macro_map(labels, answers)
        case "recall@10":
            return float(_recall(labels, answers, np.ones((1, len(answers))))[0])
        case "macro_f1":
            return macro_f1(labels, answers)
    return accuracy(labels, answers)


def _row_draws(
    labels: Answers,
    a: Answers,
    b: Answers,
    metric: Callable[[Answers, Answers, NDArray[np.float64]], NDArray[np.float64]],
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Differences ``(resamples,)`` of a metric that takes weights of rows ``(draws, n)``."""
    n = len(a)
    draws = np.empty(resamples)
    step = max(1, _CHUNK_CELLS // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        times = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        draws[start : start + size] = metric(labels, a, times) - metric(labels, b, times)
    return draws


def _macro_map(labels: Answers, scores: Answers, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro mAP ``(draws,)`` over the classes that occur in each draw."""
    found = average_precisions(labels, scores, times)
    known = ~np.isnan(found)
    result: NDArray[np.float64] = np.where(known, found, 0.0).sum(axis=1) / known.sum(axis=1)
    return result


def _recall(
    labels: Answers,  # noqa: ARG001 - the records that are found are in the hits
    hits: Answers,
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean over directions ``(draws,)`` of the share of queries with a hit."""
    asked = ~np.isnan(hits)
    count = times @ asked.astype(np.float64)
    some = count > 0
    shares = np.where(some, (times @ np.where(asked, hits, 0.0)) / np.maximum(count, 1), 0.0)
    result: NDArray[np.float64] = shares.sum(axis=1) / np.maximum(some.sum(axis=1), 1)
    return result


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
