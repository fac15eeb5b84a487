"""The step that measures a run: answers, figures, comparisons and the report."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.config.run import EvaluationConfig
from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.core.progress import Progress, silent
from components.evaluation import coverage
from components.evaluation.answers import (
    SubsetAnswers,
    rest_answers,
    subset_answers,
    with_all_present,
)
from components.evaluation.compared import Classes, compared
from components.evaluation.encoded import Encoded
from components.evaluation.figures import figures, mean, of_search
from components.evaluation.held_out import HeldOut
from components.evaluation.looks import exact_leaks
from components.evaluation.metrics import Metrics
from components.evaluation.reliance import reliance
from components.evaluation.standing import CALIBRATION, THRESHOLDS, searched
from components.evaluation.tables import comparison_table, prediction_table
from components.features.store import Features
from components.model import storage
from components.model.abstention import fitted_threshold
from components.model.composer import FIGURES
from components.model.outputs import Inference

_STAGES = 6


def evaluate(
    *,
    features: Path,
    teacher: Path,
    train: Path,
    baselines: Path,
    pseudo: Path,
    accepted: Path,
    composer: Path | None = None,
    evaluation: EvaluationConfig,
    out: Path,
    progress: Progress = silent,
) -> None:
    """Measure the chosen model, its teacher, its student and the baselines on the held-out records.

    Args:
        features: output of encode.
        teacher: output of teach: a model folder that answers with the committee, if there is one.
        train: output of train: ``model/`` (what answers), ``student/`` (the network alone),
            ``selection.json``, ``calibration.json`` and perhaps ``thresholds.json``.
        baselines: output of baselines: ``only-<modality>/``, perhaps ``supervised/`` and
            ``concat/``.
        pseudo: output of pseudo-label.
        accepted: output of validate.
        composer: output of compose, where the run learns one.
        evaluation: resamples, seed, size of the retrieval figures.
        out: an empty folder; takes ``calibration.json``, ``predictions.parquet``,
            ``comparisons.parquet``, ``thresholds.json``, ``metrics.json`` and ``report.html``.
        progress: called at each stage.

    Raises:
        UserError: no labelled test record.
    """
    from components.evaluation.report import write_report

    progress("every subset of modalities", 0, _STAGES)
    found = _answered(Features.load(features), train)
    progress("teacher, student and baselines", 1, _STAGES)
    by_model = _of_models(found, teacher=teacher, train=train, baselines=baselines)
    progress("search", 2, _STAGES)
    test = np.flatnonzero(found.held_out.test)
    vectors = found.vectors.of(test)
    search = of_search(found.held_out, test, vectors, evaluation)
    progress("intervals", 3, _STAGES)
    selection, curve = read_json(train / "selection.json"), _curve(found)
    metrics = Metrics.model_validate(
        figures(found.held_out, found.answers, found.probabilities, by_model, evaluation)
        | {
            "retrieval": search,
            "recall@10": mean(r["recall@10"] for r in search.values()),
            "label_budget": _label_budget(accepted, selection),
            "selection": selection,
            "pseudo": read_json(pseudo / "summary.json"),
            "coverage": curve and coverage.figures(curve, found.least_confidence),
            "reliance": found.reliance,
            "leaks": exact_leaks(found.held_out, found.probabilities),
            "composer": composer and read_json(composer / FIGURES),
        }
    )
    progress("tables", 4, _STAGES)
    _write(out, found, by_model, metrics)
    progress("report", 5, _STAGES)
    write_report(
        out / "report.html",
        metrics=metrics,
        held_out=found.held_out,
        probabilities=found.probabilities,
        test=test,
        vectors=vectors,
        curve=curve,
        pseudo=pseudo,
        accepted=accepted,
    )
    progress("report", _STAGES, _STAGES)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Outputs of the chosen model for the held-out records.

    Attributes:
        held_out: the records, with the thresholds of classes.
        answers: from each subset of modalities.
        probabilities: ``(n, classes)`` from all that a record has, calibrated.
        vectors: its outputs for all of them.
        least_confidence: of an answer of one class that is not a guess.
        reliance: what the answers rest on, where there are several modalities to tell apart.
    """

    held_out: HeldOut
    answers: list[SubsetAnswers]
    probabilities: NDArray[np.float32]
    vectors: Inference
    least_confidence: float
    reliance: dict[str, Any] | None


def _answered(data: Features, train: Path) -> Answered:
    """Run the chosen model.

    Raises:
        UserError: no labelled test record.
    """
    held_out = HeldOut.of(data)
    if data.target.width > 0 and not held_out.scored.any():
        raise UserError(
            "no labelled record in the test split, so nothing can be measured;"
            " add labelled test records"
        )
    model = storage.load(train / "model")
    chosen = Encoded.of(model, held_out)
    temperatures = {key: float(str(t)) for key, t in read_json(train / CALIBRATION).items()}
    answers = subset_answers(chosen, held_out, temperatures)
    rest = rest_answers(chosen, held_out, answers, temperatures)
    return Answered(
        held_out=_with_thresholds(held_out, train),
        answers=answers,
        probabilities=with_all_present(answers, held_out, rest),
        vectors=chosen.infer(),
        least_confidence=fitted_threshold(model, temperatures),
        reliance=_reliance(chosen, held_out),
    )


def _reliance(chosen: Encoded, held_out: HeldOut) -> dict[str, Any] | None:
    """What the chosen model's answers on labelled test records rest on."""
    if held_out.features.target.width == 0 or len(chosen.model.names) < 2:
        return None
    rows = np.flatnonzero(held_out.scored)
    arrays = {view: found[rows] for view, found in chosen.arrays.items()}
    return reliance(chosen.model, arrays, chosen.present[rows], held_out.labels[rows]).told()


def _of_models(
    found: Answered, *, teacher: Path, train: Path, baselines: Path
) -> dict[str, Classes]:
    """Answers of all models; where nothing is predicted, hits of searches and those of chance."""
    held_out = found.held_out
    target = held_out.features.target
    if target.width == 0:
        return dict(zip(("chosen", "majority"), searched(held_out, found.vectors), strict=True))
    chosen = target.answers(found.probabilities)
    return compared(held_out, chosen, teacher=teacher, train=train, baselines=baselines)


def _curve(found: Answered) -> coverage.Coverage | None:
    """Accuracy by share of answered test records; None where a record has no class or a set."""
    rows, target = found.held_out.scored, found.held_out.features.target
    labels, p = found.held_out.labels[rows], found.probabilities[rows]
    if labels.ndim > 1:
        return None
    return coverage.by_coverage(p.max(axis=1), target.decide(p) == labels)


def _write(out: Path, found: Answered, by_model: Mapping[str, Classes], metrics: Metrics) -> None:
    """The files of the step, but for the report."""
    target = found.held_out.features.target
    write_json(out / CALIBRATION, {a.key: a.temperature for a in found.answers})
    if target.thresholds is not None:
        write_json(out / THRESHOLDS, dict(zip(target.classes, target.thresholds, strict=True)))
    pq.write_table(prediction_table(found.held_out, found.answers), out / "predictions.parquet")
    pq.write_table(comparison_table(found.held_out, by_model), out / "comparisons.parquet")
    write_json(out / "metrics.json", metrics.model_dump(mode="json"))


def _with_thresholds(held_out: HeldOut, train: Path) -> HeldOut:
    """The same records, whose target decides by the thresholds that the train step fitted."""
    target = held_out.features.target
    if not (train / THRESHOLDS).is_file():
        return held_out
    known = read_json(train / THRESHOLDS)
    thresholds = [float(str(known[name])) for name in target.classes]
    features = replace(held_out.features, target=target.with_thresholds(thresholds))
    return replace(held_out, features=features)


def _label_budget(accepted: Path, selection: Mapping[str, Any]) -> dict[str, Any]:
    """All labels that were fitted or selected on; validation labels only if they chose."""
    budget = dict(cast(dict[str, Any], read_json(accepted / "summary.json")["label_budget"]))
    if selection.get("by") != "validation":
        budget["val"] = 0
    return budget | {"total": budget["train"] + budget["val"]}
