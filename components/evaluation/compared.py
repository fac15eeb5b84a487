"""The answers of the models that the chosen one is compared with."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from components.core.files import read_json
from components.core.refs import digest_file
from components.evaluation.held_out import HeldOut, infer_rows
from components.model import storage

Classes = NDArray[Any]
SINGLE = "only-"
"""Begins the name of a model of one modality."""


def compared(
    held_out: HeldOut, chosen: Classes, *, teacher: Path, train: Path, baselines: Path
) -> dict[str, Classes]:
    """Each model's answers ``(n, …)`` on held-out records, by column of ``comparisons.parquet``.

    Args:
        held_out: the records.
        chosen: the answers of the chosen model.
        teacher: output of teach.
        train: output of train.
        baselines: output of baselines.
    """
    predictions = _Predictions(held_out, {train / "model": chosen})
    folders = {f.name: f for f in sorted(baselines.iterdir()) if (f / "model.json").is_file()}
    student = train / "student"
    found = {
        "chosen": chosen,
        "student": predictions.of(student),
        "supervised_only": predictions.of(folders.get("supervised", student)),
        "majority": held_out.majority,
    }
    if (teacher / "model.json").is_file():
        found["committee"] = predictions.of(teacher)
    singles = {
        name: predictions.of(folder) for name, folder in folders.items() if name.startswith(SINGLE)
    }
    if singles:
        found |= {"best_single": singles[_best(singles, held_out, baselines)], **singles}
    if "concat" in folders:
        found["concat"] = predictions.of(folders["concat"])
    return found


def _best(singles: Iterable[str], held_out: HeldOut, baselines: Path) -> str:
    """The single model that answered best for labelled training records that were held out.

    One whose modality no labelled test record has would only ever give the baseline's answer, and
    anything looks better than that: it is the best one only where all are like this. Where no
    record could judge them all are level, and one that is alike for all records comes last.
    """
    judged = cast(dict[str, dict[str, Any]], read_json(baselines / "baselines.json")["models"])
    has = np.atleast_1d(held_out.present[held_out.scored].any(axis=0)).tolist()
    names = held_out.features.names
    seen = dict(zip(names, has, strict=True))

    def worth(name: str) -> tuple[bool, float, bool]:
        own = name.removeprefix(SINGLE)
        contents = held_out.features.contents[held_out.rows, names.index(own)]
        varies = len(np.unique(contents[held_out.present[:, names.index(own)]])) > 1
        return seen[own], float(judged[name].get("held_out", 0.0)), varies

    return max(singles, key=worth)


class _Predictions:
    """Answers ``(n, …)`` of models on all held-out records; equal weights are run once.

    Args:
        held_out: the records.
        known: model folder to its answers ``(n, …)``, where they are already known.
    """

    def __init__(self, held_out: HeldOut, known: Mapping[Path, NDArray[Any]]) -> None:
        self._held_out = held_out
        self._known = {_weights(folder): predicted for folder, predicted in known.items()}

    def of(self, folder: Path) -> NDArray[Any]:
        """Answers ``(n, …)``; the baseline's without any of the model's modalities."""
        key = _weights(folder)
        if key not in self._known:
            model = storage.load(folder)
            logits = infer_rows(model, self._held_out.features, self._held_out.rows).logits
            target, blank = self._held_out.features.target, np.isnan(logits).any(axis=1)
            found = target.answers(target.probabilities(logits))
            found[blank] = self._held_out.majority[blank]
            self._known[key] = found
        return self._known[key]


def _weights(folder: Path) -> str:
    return digest_file(folder / "weights.safetensors") + digest_file(folder / "model.json")
