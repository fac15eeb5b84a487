"""What ``concord evaluate`` looks at beside the figures: leaks, reliance, and stress."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.progress import Progress, silent
from components.data.media import Media
from components.data.reader import raws
from components.evaluation.duplicates import Leaks, effect, leaks, of_contents, telling
from components.evaluation.held_out import HeldOut
from components.evaluation.leaks.search import search
from components.evaluation.reliance import of_features
from components.evaluation.stress import Answer, stress
from components.features.encode import Accepted
from components.features.store import Features
from components.model import storage
from components.parts.contracts import Target

_STRESSED = 200
"""Records that are made worse: each is read once for every condition."""


def reliance_of(package: Path, features: Features, rows: NDArray[np.int64]) -> dict[str, Any]:
    """What a version's answers on labelled test records ``rows`` rest on.

    Raises:
        UserError: it knows other classes than the data set, reads one modality, or predicts none.
    """
    model = storage.load(package)
    if len(model.names) < 2:
        raise UserError(
            f"--reliance compares modalities: got a model of {model.names[0]!r} alone, wanted two "
            "or more; leave the option out"
        )
    if model.target.width == 0 or model.classes != features.classes:
        raise UserError(
            "--reliance needs a version that predicts today's classes: got other classes; "
            "make a new version with `concord run CONFIG`"
        )
    found = of_features(model, features, rows)
    return found.told()


def leaks_of(
    accepted: Path,
    features: Features,
    data_uri: str,
    rows: NDArray[np.int64],
    answers: NDArray[Any],
    target: Target,
    *,
    base: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Copies across splits, and the figure with and without the test records that leak.

    Args:
        accepted: output of validate.
        features: the encoded records, in the same order.
        data_uri: where the media are.
        rows: labelled test records ``(t,)``.
        answers: coded answers ``(t, …)`` to them.
        target: measures them.
        base: folder that a user's own kinds are relative to.
        progress: called while copies are searched.
    """
    found = search(accepted, data_uri, base=base, progress=progress)
    return _told(found.leaks, features, rows, answers, target)


def exact_leaks(held_out: HeldOut, probabilities: NDArray[np.float32]) -> dict[str, Any] | None:
    """Test records with the very content of a record of an earlier split; None without any.

    Args:
        held_out: validation and test records.
        probabilities: ``(held out, classes)`` of the chosen model.
    """
    features, target = held_out.features, held_out.features.target
    told = telling({name: spec.kind for name, spec in features.specs.items()})
    columns = [features.names.index(name) for name in told]
    links = of_contents(told, features.contents[:, columns], features.present[:, columns])
    found = leaks(links, features.splits.tolist(), features.groups)
    if target.width == 0 or not found.leaked.any():
        return None
    at = np.flatnonzero(held_out.scored)
    answers = target.answers(probabilities[at])
    return _told(found, features, held_out.rows[at], answers, target)


def _told(
    found: Leaks,
    features: Features,
    rows: NDArray[np.int64],
    answers: NDArray[Any],
    target: Target,
) -> dict[str, Any]:
    """Links across splits, and the figure with and without the test records that leak."""
    labels, name = features.labels[rows], str(target.primary)

    def figure(at: NDArray[np.int64]) -> float:
        return float(target.metrics(labels[at], answers[at])[name])

    pairs = found.pairs
    return {
        "figure": name,
        "pairs": [{"split": a, "other": b, "pairs": n} for (a, b), n in pairs.items() if a != b],
        "by_modality": found.by_modality,
        **effect(found.leaked, figure, rows),
    }


def raw_records(accepted: Path, data_uri: str, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Raw values by modality of accepted records, at rising rows ``(n,)``; absent ones left out."""
    records = Accepted.open(accepted)
    media = Media(data_uri) if records.manifest.media else None
    found: list[dict[str, Any]] = []
    start = 0
    for batch in records.batches():
        here = rows[(rows >= start) & (rows < start + len(batch))] - start
        if len(here):
            chosen = batch.take(here)
            values = raws(chosen, records.manifest, media)
            found += [
                {name: column[at] for name, column in values.items() if column[at] is not None}
                for at in range(len(here))
            ]
        start += len(batch)
    return found


def stress_of(
    accepted: Path,
    features: Features,
    data_uri: str,
    rows: NDArray[np.int64],
    answer: Answer,
    target: Target,
) -> dict[str, Any]:
    """How the figure falls on labelled test records ``rows`` made worse; of many a sample.

    Args:
        accepted: output of validate.
        features: the encoded records, in the same order.
        data_uri: where the media are.
        rows: labelled test records ``(t,)``.
        answer: the version, from raw records.
        target: measures it.
    """
    if len(rows) > _STRESSED:
        rows = np.sort(np.random.default_rng(0).choice(rows, _STRESSED, replace=False))
    records = raw_records(accepted, data_uri, rows)
    kinds = {name: spec.kind for name, spec in features.specs.items()}
    found = stress(records, features.labels[rows], answer, target, kinds)
    return {"figure": target.primary, "n": len(rows), "rows": [asdict(row) for row in found]}
