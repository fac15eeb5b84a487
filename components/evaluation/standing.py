"""Answers of an earlier model version on the held-out records of today's data."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.files import read_json
from components.evaluation.held_out import HeldOut, infer_rows
from components.evaluation.retrieval import hits
from components.features.store import Features
from components.features.target import other_target
from components.model import storage
from components.model.network import Model
from components.model.outputs import Inference
from components.model.subsets import patterns, temperature
from components.parts.contracts import Target
from components.parts.label_sets import DEFAULT_THRESHOLD

CALIBRATION, THRESHOLDS = "calibration.json", "thresholds.json"


def is_compatible(package: Path, features: Features) -> bool:
    """Whether features are encoded as the version's own inputs were, so that it can use them."""
    specs = storage.load(package).specs
    return all(
        name in features.specs and features.specs[name].digest() == spec.digest()
        for name, spec in specs.items()
    )


def answers(package: Path, features: Features) -> dict[str, Any]:
    """Record id to a version's answer, for all held-out records, as `comparable` reads them.

    A class is told by its name, since the version may know others than today's; a record without
    any of the version's modalities gets the empty name, which is never right. Of sets of classes
    they are the probabilities of today's classes ``(classes,)``, 0 for those that the version does
    not know. Where nothing is predicted they are the hits of the record's searches.
    """
    model, held_out = storage.load(package), HeldOut.of(features)
    ids = [features.ids[row] for row in held_out.rows.tolist()]
    found = infer_rows(model, features, held_out.rows)
    if model.target_kind != features.target_kind:
        raise UserError(other_target(model.target_kind, features.target_kind))
    if not features.target.width:
        return dict(zip(ids, searched(held_out, found)[0], strict=True))
    probabilities = calibrated(package, model, held_out, found)
    given = model.target.answers(probabilities)
    if given.ndim == 1:
        named = model.target.decode(given)
        return {record: name or "" for record, name in zip(ids, named, strict=True)}
    number = {name: c for c, name in enumerate(model.classes)}
    today = np.zeros((len(ids), features.target.width), dtype=np.float32)
    for column, name in enumerate(features.classes):
        if name in number:
            today[:, column] = np.nan_to_num(given[:, number[name]])
    return dict(zip(ids, today, strict=True))


def target_of(package: Path, features: Features) -> Target:
    """Today's target with the thresholds of a version; one half for classes that it lacks."""
    place = package / THRESHOLDS
    known = read_json(place) if place.is_file() else {}
    if not known:
        return features.target
    return features.target.with_thresholds(
        [float(str(known.get(name, DEFAULT_THRESHOLD))) for name in features.classes]
    )


def calibrated(
    package: Path, model: Model, held_out: HeldOut, found: Inference
) -> NDArray[np.float64]:
    """Probabilities ``(n, classes)`` as the package gives them, each with its subset's temperature.

    Average precision compares records that have different modalities.
    """
    columns = [held_out.features.names.index(name) for name in model.names]
    read = read_json(package / CALIBRATION) if (package / CALIBRATION).is_file() else {}
    known = {key: float(str(value)) for key, value in read.items()}
    keys = patterns(held_out.present[:, columns], model.names)
    temperatures = np.array([[temperature(known, key)] for key in keys])
    return model.target.probabilities(model.tempered(found.logits, temperatures))


def searched(
    held_out: HeldOut, found: Inference
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hits and chance of every direction for test records, see `retrieval.hits`; NaN for others."""
    names = held_out.features.names
    test = np.flatnonzero(held_out.test)
    zeros = np.zeros((len(test), 1), np.float32)
    result = hits(
        {n: found.embeddings[n][test] if n in found.embeddings else zeros for n in names},
        {n: held_out.present[test, column] for column, n in enumerate(names)},
        [held_out.features.groups[row] for row in held_out.rows[test]],
    )
    whole = [np.full((len(held_out.rows), part.shape[1]), np.nan, np.float32) for part in result]
    for array, part in zip(whole, result, strict=True):
        array[test] = part
    return whole[0], whole[1]


def comparable(table: pa.Table, features: Features) -> dict[str, NDArray[Any]]:
    """The columns of ``comparisons.parquet``, as arrays that `paired_bootstrap` takes.

    Args:
        table: its rows; ``id`` and ``split`` stay texts.
        features: the data set that they are of.
    """
    found: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        values = table[name].to_pylist()
        if name == "label" and features.labels.ndim > 1:
            found[name] = features.target.encode(values)
        elif pa.types.is_list(table.schema.field(name).type):
            found[name] = np.array(values, dtype=np.float32)
        else:
            found[name] = np.array(values, dtype=np.str_)
    return found
