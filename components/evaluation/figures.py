"""The figures of a run: of what answers, of what it is compared with, and of search."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from components.config.run import EvaluationConfig
from components.evaluation.answers import SubsetAnswers
from components.evaluation.compared import SINGLE, Classes
from components.evaluation.comparison import Metric, paired_bootstrap
from components.evaluation.held_out import HeldOut
from components.evaluation.per_class import per_class
from components.evaluation.retrieval import every_pair
from components.evaluation.robustness import missing_figures
from components.model.calibration import brier, expected_calibration_error, log_loss
from components.model.outputs import Inference
from components.parts.contracts import Target


def figures(
    held_out: HeldOut,
    answers: list[SubsetAnswers],
    probabilities: NDArray[np.float32],
    compared: Mapping[str, Classes],
    evaluation: EvaluationConfig,
) -> dict[str, Any]:
    """All figures except those of search and those read from earlier steps.

    Args:
        held_out: validation and test records.
        answers: of the chosen model, from each subset of modalities.
        probabilities: ``(held out, classes)`` from all that a record has.
        compared: each model's answers ``(held out, …)``.
        evaluation: resamples and seed.
    """
    target = held_out.features.target
    metrics, primary = target.metrics, target.primary
    rows = held_out.scored
    labels = held_out.labels[rows]

    def of(name: str) -> dict[str, float] | None:
        return metrics(labels, compared[name][rows]) if name in compared else None

    singles = {
        name.removeprefix(SINGLE): _single(held_out, name, compared[name])
        for name in compared
        if name.startswith(SINGLE)
    }
    best = _name_of_best_single(compared)
    return {
        "primary": primary,
        **metrics(labels, compared["chosen"][rows]),
        **_calibration(target, probabilities[rows], labels),
        "n": len(labels),
        "by_subset": {answer.key: _subset(held_out, answer) for answer in answers},
        "missing": missing_figures(held_out, answers, evaluation),
        "committee": of("committee"),
        "supervised_only": of("supervised_only") or {},
        "student": of("student") or {},
        "best_single": None if best is None else {"name": best, **singles[best]},
        "singles": singles,
        "concat": of("concat"),
        "majority": {primary: (of("majority") or {})[primary]} if primary is not None else {},
        "by_class": per_class(labels, probabilities[rows], target),
        "intervals": _intervals(held_out, compared, evaluation),
    }


def mean(values: Iterable[float]) -> float:
    """The mean of what is known; NaN where nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _name_of_best_single(compared: Mapping[str, Classes]) -> str | None:
    """The modality whose model is the best single one."""
    for name, given in compared.items():
        if name.startswith(SINGLE) and given is compared["best_single"]:
            return name.removeprefix(SINGLE)
    return None


def _intervals(
    held_out: HeldOut, compared: Mapping[str, Classes], evaluation: EvaluationConfig
) -> dict[str, dict[str, float | int] | None]:
    """Gains of one model over another with their intervals; None where one is missing."""
    primary = held_out.features.target.primary

    def interval(a: str, b: str, rows: NDArray[np.bool_]) -> dict[str, float | int] | None:
        if b not in compared or primary is None or not rows.any():
            return None
        found = asdict(
            paired_bootstrap(
                held_out.labels[rows],
                compared[a][rows],
                compared[b][rows],
                metric=cast(Metric, primary),
                resamples=evaluation.resamples,
                seed=evaluation.seed,
            )
        )
        return {**found, "n": int(rows.sum())}

    scored = held_out.scored
    complete = scored & held_out.present.all(axis=1)
    return {
        "fused_minus_best_single": interval("chosen", "best_single", scored),
        "fused_minus_best_single_complete": interval("chosen", "best_single", complete),
        "fused_minus_concat": interval("chosen", "concat", scored),
        "chosen_minus_committee": interval("chosen", "committee", scored),
        "student_minus_supervised_only": interval("student", "supervised_only", scored),
    }


def _single(held_out: HeldOut, name: str, predicted: Classes) -> dict[str, Any]:
    metrics, primary = held_out.features.target.metrics, held_out.features.target.primary
    rows = held_out.scored
    has = held_out.present[:, held_out.features.names.index(name.removeprefix(SINGLE))] & rows
    return {
        **metrics(held_out.labels[rows], predicted[rows]),
        f"{primary}_where_present": metrics(held_out.labels[has], predicted[has])[str(primary)],
        "n": int(has.sum()),
    }


def _subset(held_out: HeldOut, answer: SubsetAnswers) -> dict[str, Any]:
    target = held_out.features.target
    keep = held_out.scored[answer.at]
    labels, p = held_out.labels[answer.at][keep], answer.probabilities[keep]
    return {
        **target.metrics(labels, target.answers(p)),
        **_calibration(target, p, labels),
        "n": len(labels),
    }


def _calibration(
    target: Target, probabilities: NDArray[np.floating], labels: NDArray[Any]
) -> dict[str, float]:
    cells = target.cells(probabilities, labels)
    return {
        "ece": expected_calibration_error(*cells),
        "brier": brier(*cells),
        "nll": log_loss(*cells),
    }


def of_search(
    held_out: HeldOut, test: NDArray[np.int64], vectors: Inference, evaluation: EvaluationConfig
) -> dict[str, dict[str, float]]:
    """Figures of every ordered pair of modalities: search with some test records, among all.

    Args:
        held_out: validation and test records.
        test: ``(t,)`` positions of the test records among them.
        vectors: the chosen model's outputs for the test records.
        evaluation: how many queries, and their seed.
    """
    asked = np.ones(len(test), dtype=np.bool_)
    if len(test) > evaluation.retrieval_queries:
        rng = np.random.default_rng(evaluation.seed)
        asked[:] = False
        asked[rng.choice(len(test), evaluation.retrieval_queries, replace=False)] = True
    names = held_out.features.names
    found = every_pair(
        {name: vectors.embeddings[name] for name in names},
        {name: held_out.present[test, column] for column, name in enumerate(names)},
        [held_out.features.groups[row] for row in held_out.rows[test]],
        asked,
    )
    return {
        pair: {
            **{f"recall@{k}": value for k, value in r.recall.items()},
            "mrr": r.mrr,
            "n": r.n,
            "gallery": r.gallery,
        }
        for pair, r in found.items()
    }
