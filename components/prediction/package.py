"""The package step: all that predictions need, in one folder that lists its files' digests."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from components.config.run import Part, RunConfig
from components.core.files import read_json, write_atomically, write_json
from components.core.names import FUSED
from components.core.progress import Progress, silent
from components.features.store import Features
from components.model import export, storage
from components.model.composer import COMPOSER
from components.model.inference import infer
from components.model.listing import FILES
from components.model.network import Model
from components.model.subsets import patterns, temperature
from components.model.unfamiliar import write_distances
from components.prediction.attributes import declared as declared_attributes
from components.prediction.card import write_card
from components.prediction.classifier import with_thresholds
from components.prediction.format import (
    CALIBRATION,
    CARD,
    CONFIG,
    INDEX,
    METRICS,
    PRESENT,
    PREVIEW_ROWS,
    PREVIEWS,
    RECORDS,
    THRESHOLDS,
    digests,
)
from components.prediction.indexes import build_index, family, indexed, write_indexes
from components.prediction.made import sureness
from components.prediction.packaged import Packaged, packaged_attributes

_BATCH = 2048


def package(
    *,
    features: Path,
    train: Path,
    evaluation: Path,
    composer: Path | None = None,
    config: RunConfig,
    out: Path,
    progress: Progress = silent,
) -> None:
    """Write the model package into ``out/package``.

    Args:
        features: output of encode; all its records go into the index.
        train: output of train.
        evaluation: output of evaluate.
        composer: output of compose, where the run learns one; it has weights only if it was kept.
        config: the run's configuration; only what shapes answers is kept, without places.
        out: an empty folder.
        progress: called as records enter the index.
    """
    folder = out / "package"
    shutil.copytree(train / "model", folder)
    measured = (
        CALIBRATION,
        METRICS,
        *([THRESHOLDS] if (evaluation / THRESHOLDS).is_file() else []),
    )
    for name in measured:
        shutil.copyfile(evaluation / name, folder / name)
    if composer is not None and (composer / COMPOSER).is_file():
        shutil.copyfile(composer / COMPOSER, folder / COMPOSER)
    write_atomically(
        folder / CONFIG,
        yaml.safe_dump(kept_config(config), sort_keys=False, allow_unicode=True),
    )
    data = Features.load(features)
    model = storage.load(folder)
    chosen = export.write(model, folder)
    export.carry(model, folder)
    write_distances(model.columns, folder)
    write_card(
        folder / CARD,
        name=config.name,
        model=model,
        features=data,
        metrics=folder / METRICS,
        runtime=chosen,
    )
    _write_index(folder / INDEX, model, data, config.index, progress)
    write_json(folder / FILES, {"files": digests(folder)})


def kept_config(config: RunConfig) -> dict[str, Any]:
    """The configuration of the model and its limits, without places and terms of promotion."""
    used = {name for name in ("ssl", "balance", "composer") if getattr(config, name) is not None}
    include = {"name", "modalities", "model", "losses", "labeller", "training", "index", *used}
    kept = config.model_dump(mode="json", include=include)
    for here in ("device", "checkpoint_every"):
        del kept["training"][here]
    return {**kept, "serving": config.serving.model_dump(mode="json")}


def _write_index(
    folder: Path, model: Model, data: Features, part: Part | None, progress: Progress
) -> None:
    """Write the indexes of unit vectors, and the records' ids, labels, answers and previews."""
    folder.mkdir(exist_ok=True)
    n = len(data.ids)
    columns = [data.names.index(name) for name in model.names]
    present = data.present[:, columns]
    vectors = {name: np.zeros((n, model.dim), np.float32) for name in model.names}
    vectors[FUSED] = np.zeros((n, model.fused_dim), np.float32)
    target, temperatures = (
        with_thresholds(model.target, folder.parent),
        _temperatures(folder.parent),
    )
    keys = patterns(present, model.names)
    predicted, confidence = target.unlabelled(n), np.full(n, np.nan)
    votes = {name: target.unlabelled(n) for name in model.names}
    arrays = data.arrays
    for start in range(0, n, _BATCH):
        progress("index", start, n)
        rows = np.arange(start, min(n, start + _BATCH))
        found = infer(model, arrays, present, rows)
        for name in model.names:
            vectors[name][rows] = found.embeddings[name]
        vectors[FUSED][rows] = found.fused
        warmth = np.array([[temperature(temperatures, keys[row])] for row in rows])
        p = target.probabilities(model.tempered(found.logits, warmth))
        predicted[rows], confidence[rows] = target.decide(p), sureness(p, target)
        for name in model.names:
            alone = model.tempered(found.modality_logits[name], temperature(temperatures, name))
            votes[name][rows] = target.decide(target.probabilities(alone))
    progress("index", n, n)
    np.save(folder / PRESENT, present)
    said = {name: target.decode(codes) for name, codes in votes.items()}
    _write_tables(folder, data, model.names, target.decode(predicted), confidence, said)
    packaged = Packaged(folder.parent, model.names)
    sets = target.activation == "sigmoid"
    declared = declared_attributes(model.specs, sets=sets, timed=packaged.timed)
    values = packaged_attributes(packaged, model.specs, declared)
    has = indexed(model.names, present)
    write_indexes(
        folder,
        family(n, part),
        (
            (name, build_index(data.ids, values, declared, vectors[name], has[name], part))
            for name in vectors
        ),
    )


def _temperatures(package: Path) -> dict[str, float]:
    """Temperature of each subset of modalities."""
    return {key: float(str(value)) for key, value in read_json(package / CALIBRATION).items()}


def _write_tables(
    folder: Path,
    data: Features,
    names: list[str],
    predicted: list[Any],
    confidence: NDArray[np.float64],
    votes: dict[str, list[Any]],
) -> None:
    sets = data.labels.ndim > 1 and data.labels.shape[1] > 0
    kind = pa.list_(pa.string()) if sets else pa.string()
    label = pa.array(data.target.decode(data.labels), kind)
    cells = [pa.array(votes[name], kind) for name in names]
    ids = {
        "id": pa.array(data.ids, pa.string()),
        "group": pa.array(data.groups, pa.string()),
        "split": pa.array(data.splits.tolist(), pa.string()),
        "label": label,
        "predicted": pa.array(predicted, kind),
        "confidence": pa.array(confidence, mask=np.isnan(confidence)),
        "votes": pa.StructArray.from_arrays(cells, names=names),
    }
    if (times := data.times()) is not None:
        ids["time"] = times
    pq.write_table(pa.table(ids), folder / RECORDS)
    shown = data.previews().select(["id", *names])
    assert shown["id"].to_pylist() == data.ids, "previews are in the order of the records"
    # A modality named `label` would clash, so the column is added only if its name is free.
    table = shown if "label" in names else shown.add_column(1, "label", label)
    pq.write_table(table, folder / PREVIEWS, row_group_size=PREVIEW_ROWS)
