"""The step that measures a run: answers, figures, comparisons and the report."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.config.run import EvaluationConfig
from components.core.errors import UserError
from components.core.files import read_json, write_json
from components.core.progress import Progress, silent
from components.evaluation import metrics as m
from components.evaluation.answers import (
    Encoded,
    HeldOut,
    Predictions,
    SubsetAnswers,
    rest_answers,
    subset_answers,
    with_all_present,
)
from components.evaluation.comparison import Metric, paired_bootstrap
from components.evaluation.per_class import per_class
from components.evaluation.retrieval import every_pair
from components.evaluation.standing import CALIBRATION, THRESHOLDS, searched
from components.features.store import Features
from components.model import network as models
from components.model.calibration import expected_calibration_error
from components.model.inference import Inference

Classes = NDArray[Any]
_STAGES = 6


def evaluate(
    *,
    features: Path,
    teacher: Path,
    train: Path,
    baselines: Path,
    pseudo: Path,
    accepted: Path,
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
        evaluation: resamples, seed, size of the retrieval figures.
        out: an empty folder; takes ``calibration.json``, ``predictions.parquet``,
            ``comparisons.parquet``, ``thresholds.json``, ``metrics.json`` and ``report.html``.
        progress: called at each stage.

    Raises:
        UserError: no labelled test record.
    """
    from components.evaluation.report import write_report

    data = Features.load(features)
    held_out = HeldOut.of(data)
    predicts = data.target.width > 0
    if predicts and not held_out.scored.any():
        raise UserError(
            "no labelled record in the test split, so nothing can be measured;"
            " add labelled test records"
        )
    progress("every subset of modalities", 0, _STAGES)
    chosen = Encoded.of(models.load(train / "model"), held_out)
    temperatures = {key: float(str(t)) for key, t in read_json(train / CALIBRATION).items()}
    answers = subset_answers(chosen, held_out, temperatures)
    rest = rest_answers(chosen, held_out, answers, temperatures)
    probabilities = with_all_present(answers, held_out, rest)
    held_out = _with_thresholds(held_out, train)
    progress("teacher, student and baselines", 1, _STAGES)
    vectors = chosen.infer()
    compared = (
        _compared(
            held_out,
            data.target.answers(probabilities),
            teacher=teacher,
            train=train,
            baselines=baselines,
        )
        if predicts
        else dict(zip(("chosen", "majority"), searched(held_out, vectors), strict=True))
    )
    progress("search", 2, _STAGES)
    test = np.flatnonzero(held_out.test)
    vectors = vectors.of(test)
    found_by_search = _retrieval(held_out, test, vectors, evaluation)
    progress("intervals", 3, _STAGES)
    found = _metrics(held_out, answers, probabilities, compared, evaluation)
    selection = read_json(train / "selection.json")
    found |= {
        "retrieval": found_by_search,
        "recall@10": _mean(r["recall@10"] for r in found_by_search.values()),
        "label_budget": _label_budget(accepted, selection),
        "selection": selection,
        "pseudo": read_json(pseudo / "summary.json"),
    }
    metrics = m.Metrics.model_validate(found)
    progress("tables", 4, _STAGES)
    write_json(out / CALIBRATION, {a.key: a.temperature for a in answers})
    if (thresholds := held_out.features.target.thresholds) is not None:
        write_json(out / THRESHOLDS, dict(zip(data.classes, thresholds, strict=True)))
    pq.write_table(_prediction_table(held_out, answers), out / "predictions.parquet")
    pq.write_table(_comparison_table(held_out, compared), out / "comparisons.parquet")
    write_json(out / "metrics.json", metrics.model_dump(mode="json"))
    progress("report", 5, _STAGES)
    write_report(
        out / "report.html",
        metrics=metrics,
        held_out=held_out,
        probabilities=probabilities,
        test=test,
        vectors=vectors,
        pseudo=pseudo,
        accepted=accepted,
    )
    progress("report", _STAGES, _STAGES)


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


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _compared(
    held_out: HeldOut, chosen: Classes, *, teacher: Path, train: Path, baselines: Path
) -> dict[str, Classes]:
    """Each model's answers ``(n,)`` on held-out records, by column of ``comparisons.parquet``."""
    predictions = Predictions(held_out, {train / "model": chosen})
    folders = {f.name: f for f in sorted(baselines.iterdir()) if (f / "model.json").is_file()}
    student = train / "student"
    compared = {
        "chosen": chosen,
        "student": predictions.of(student),
        "supervised_only": predictions.of(folders.get("supervised", student)),
        "majority": held_out.majority,
    }
    if (teacher / "model.json").is_file():
        compared["committee"] = predictions.of(teacher)
    singles = {
        name: predictions.of(folder) for name, folder in folders.items() if name.startswith("only-")
    }
    if singles:
        judged = cast(dict[str, dict[str, Any]], read_json(baselines / "baselines.json")["models"])
        best = max(singles, key=lambda name: judged[name].get("held_out", 0.0))
        compared |= {"best_single": singles[best], **singles}
    if "concat" in folders:
        compared["concat"] = predictions.of(folders["concat"])
    return compared


def _retrieval(
    held_out: HeldOut, test: NDArray[np.int64], vectors: Inference, evaluation: EvaluationConfig
) -> dict[str, dict[str, float]]:
    """Figures of every ordered pair of modalities: search with some test records, among all."""
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


def _metrics(
    held_out: HeldOut,
    answers: list[SubsetAnswers],
    probabilities: NDArray[np.float32],
    compared: Mapping[str, Classes],
    evaluation: EvaluationConfig,
) -> dict[str, Any]:
    """All figures except those of search and those read from earlier steps."""
    target = held_out.features.target
    metrics, primary = target.metrics, target.primary
    rows = held_out.scored
    labels = held_out.labels[rows]
    single = next(
        (n for n in compared if n.startswith("only-") and compared[n] is compared["best_single"]),
        None,
    )
    singles = {
        name.removeprefix("only-"): _single(held_out, name, compared[name])
        for name in compared
        if name.startswith("only-")
    }
    best = None if single is None else single.removeprefix("only-")

    complete = rows & held_out.present.all(axis=1)

    def interval(a: str, b: str, rows: NDArray[np.bool_] = rows) -> dict[str, float | int] | None:
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

    def of(name: str) -> dict[str, float] | None:
        return metrics(labels, compared[name][rows]) if name in compared else None

    return {
        "primary": primary,
        **metrics(labels, compared["chosen"][rows]),
        "ece": expected_calibration_error(*target.cells(probabilities[rows], labels)),
        "n": len(labels),
        "by_subset": {answer.key: _subset(held_out, answer) for answer in answers},
        "committee": of("committee"),
        "supervised_only": of("supervised_only") or {},
        "student": of("student") or {},
        "best_single": None if best is None else {"name": best, **singles[best]},
        "singles": singles,
        "concat": of("concat"),
        "majority": {primary: (of("majority") or {})[primary]} if primary is not None else {},
        "by_class": per_class(labels, probabilities[rows], target),
        "intervals": {
            "fused_minus_best_single": interval("chosen", "best_single"),
            "fused_minus_best_single_complete": interval("chosen", "best_single", complete),
            "fused_minus_concat": interval("chosen", "concat"),
            "chosen_minus_committee": interval("chosen", "committee"),
            "student_minus_supervised_only": interval("student", "supervised_only"),
        },
    }


def _single(held_out: HeldOut, name: str, predicted: Classes) -> dict[str, Any]:
    metrics, primary = held_out.features.target.metrics, held_out.features.target.primary
    rows = held_out.scored
    has = held_out.present[:, held_out.features.names.index(name.removeprefix("only-"))] & rows
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
        "ece": expected_calibration_error(*target.cells(p, labels)),
        "n": len(labels),
    }


def _prediction_table(held_out: HeldOut, answers: list[SubsetAnswers]) -> pa.Table:
    """One block of answers per subset.

    Columns: ``id``, ``split``, ``subset``, ``label``, ``predicted``, ``confidence`` and
    ``probabilities``.
    """
    blocks = []
    for answer in answers:
        n, k = answer.probabilities.shape
        flat = pa.array(answer.probabilities.reshape(-1), pa.float32())
        blocks.append(
            pa.table(
                {
                    **_who(held_out, answer.at),
                    "subset": pa.array([answer.key] * n, pa.string()),
                    "predicted": _named(
                        held_out, held_out.features.target.decide(answer.probabilities)
                    ),
                    "confidence": pa.array(
                        answer.probabilities.max(axis=1) if n and k else [None] * n, pa.float32()
                    ),
                    "probabilities": pa.ListArray.from_arrays(
                        np.arange(n + 1, dtype=np.int32) * k, flat
                    ),
                }
            )
        )
    order = ["id", "split", "subset", "label", "predicted", "confidence", "probabilities"]
    return pa.concat_tables(blocks).select(order).combine_chunks()


def _comparison_table(held_out: HeldOut, compared: Mapping[str, Classes]) -> pa.Table:
    """``id``, ``split``, ``label`` and each model's answers, for labelled held-out records.

    Where nothing is predicted: for test records, the hits of their searches and those of chance.
    """
    target = held_out.features.target
    at = np.flatnonzero(target.labelled(held_out.labels) if target.width else held_out.test)
    return pa.table(
        {
            **_who(held_out, at),
            **{name: _told(held_out, answers[at]) for name, answers in compared.items()},
        }
    )


def _told(held_out: HeldOut, answers: NDArray[Any]) -> pa.Array:
    """Predicted classes as names, probabilities and hits as numbers."""
    if answers.ndim == 1:
        return _named(held_out, answers)
    return pa.array(answers.tolist(), pa.list_(pa.float32()))


def _who(held_out: HeldOut, at: NDArray[np.int64]) -> dict[str, pa.Array]:
    ids = held_out.features.ids
    return {
        "id": pa.array([ids[row] for row in held_out.rows[at]], pa.string()),
        "split": pa.array(np.where(held_out.test[at], "test", "val").tolist(), pa.string()),
        "label": _named(held_out, held_out.labels[at]),
    }


def _named(held_out: HeldOut, labels: NDArray[Any]) -> pa.Array:
    """Labels as people read them; null without one."""
    sets = labels.ndim > 1 and labels.shape[1] > 0
    kind = pa.list_(pa.string()) if sets else pa.string()
    return pa.array(held_out.features.target.decode(labels), kind)
