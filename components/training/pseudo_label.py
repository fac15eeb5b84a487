"""The pseudo-label step: a calibrated teacher labels records, and a labeller accepts some."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.config.run import Part
from components.core.files import write_json
from components.core.progress import Progress, silent
from components.features.halves import halves
from components.features.store import Features
from components.model import network as models
from components.model.inference import Inference, infer
from components.parts import loading as parts
from components.parts.contracts import Target
from components.parts.labelling import Evidence, PseudoLabels

_COLUMNS = {
    "id": pa.string(),
    "confidence": pa.float32(),
    "accepted": pa.bool_(),
    "sources": pa.list_(pa.string()),
    "reason": pa.string(),
}
"""Columns of the table beside ``label``, whose coding is the target's."""


def pseudo_label(
    *,
    features: Path,
    teacher: Path,
    labeller: Part | None,
    base: Path | None,
    out: Path,
    progress: Progress = silent,
) -> None:
    """Label the training records that have no visible label.

    Writes ``pseudo.parquet`` (one row for each such record) and ``summary.json``. The teacher's
    temperatures, one for the fused logits and one for each modality alone, and whatever the
    labeller tunes, are fitted on one half of the labelled validation records: the other half will
    choose between teacher and student.

    Args:
        features: output of encode.
        teacher: output of teach.
        labeller: the part that decides; None switches pseudo-labels off.
        base: folder that a labeller given by path is relative to.
        out: an empty folder.
        progress: called after each stage.
    """
    data = Features.load(features)
    if labeller is None or not data.target.width:
        empty = pa.schema([*_COLUMNS.items(), ("label", pa.int64())]).empty_table()
        pq.write_table(empty, out / "pseudo.parquet")
        nothing: dict[str, object] = {
            "labeller": None,
            "temperature": None,
            "modality_temperatures": {},
        }
        write_json(
            out / "summary.json",
            {**nothing, "accepted": 0, "refused": 0, "by_class": {}, "thresholds": {}},
        )
        return
    decide = parts.load("labellers", labeller.name, base).build(
        parts.configure("labellers", labeller.name, labeller.options, base)
    )
    model = models.load(teacher)
    progress("pseudo-label", 0, 3)
    tune, pool = halves(data).tune, data.rows("train", labelled=False)
    known = infer(model, data.arrays, data.present, tune)
    temperatures = _temperatures(known, data.labels[tune], data.target)
    progress("pseudo-label", 1, 3)
    unknown = infer(model, data.arrays, data.present, pool)
    progress("pseudo-label", 2, 3)
    decided: PseudoLabels = decide(
        _evidence(unknown, temperatures, data.present[pool], data.target),
        _evidence(known, temperatures, data.present[tune], data.target),
        data.labels[tune],
        data.target.shares(data.labels[data.rows("train", labelled=True)]),
    )
    _write(out, data, pool, decided, {"labeller": labeller.name, **temperatures})
    progress("pseudo-label", 3, 3)


def _temperatures(known: Inference, labels: NDArray[Any], target: Target) -> dict[str, float]:
    """Temperature of the fused answer (``""``) and of each modality alone."""
    answers = {"": known.logits, **known.modality_logits}
    has = {name: ~np.isnan(logits[:, 0]) for name, logits in answers.items()}
    return {
        name: target.calibrate(logits[has[name]], labels[has[name]])
        for name, logits in answers.items()
    }


def _evidence(
    answers: Inference,
    temperatures: dict[str, float],
    present: NDArray[np.bool_],
    target: Target,
) -> Evidence:
    def calibrated(name: str, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        return target.probabilities(np.nan_to_num(logits), temperatures[name])

    return Evidence(
        fused=calibrated("", answers.logits),
        by_modality={
            name: calibrated(name, logits) for name, logits in answers.modality_logits.items()
        },
        present=present,
    )


def _write(
    out: Path,
    data: Features,
    pool: NDArray[np.int64],
    decided: PseudoLabels,
    about: dict[str, str | float],
) -> None:
    columns = {
        "id": [data.ids[row] for row in pool],
        "confidence": decided.confidence.astype(np.float32),
        "accepted": decided.accepted,
        "sources": decided.sources,
        "reason": decided.reasons,
    }
    table = pa.table(columns, schema=pa.schema(_COLUMNS))
    table = table.append_column(
        "label", pa.array(decided.labels.tolist(), _code_type(decided.labels))
    )
    pq.write_table(table, out / "pseudo.parquet")
    accepted = int(decided.accepted.sum())
    summary = {
        "labeller": about.pop("labeller"),
        "temperature": about.pop(""),
        "modality_temperatures": about,
        "accepted": accepted,
        "refused": len(pool) - accepted,
        "by_class": _counts(data, decided.labels[decided.accepted]),
        "thresholds": {
            c: float(t)
            for c, t in zip(data.classes, decided.thresholds, strict=True)
            if not np.isnan(t)
        },
    }
    write_json(out / "summary.json", summary)


def _code_type(labels: NDArray[Any]) -> pa.DataType:
    """How coded labels are stored: a number for each record, or a list of them."""
    return pa.int64() if labels.ndim == 1 else pa.list_(pa.int64())


def _counts(data: Features, labels: NDArray[Any]) -> dict[str, int]:
    """Class to how many records have it."""
    return dict(zip(data.classes, data.target.counts(labels).tolist(), strict=True))
