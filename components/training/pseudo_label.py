"""The pseudo-label step: the committee learns from the neighbour graph, and a labeller decides."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.config.run import Part
from components.core.files import read_json, write_json
from components.core.progress import Progress, silent
from components.features.modality import rebuilt
from components.features.served import check_labeller
from components.features.store import Features
from components.model import storage
from components.model.network import Model
from components.parts import loading as parts
from components.parts.labelling import PseudoLabels, checked
from components.training import taught
from components.training.audit import audit
from components.training.data import Pseudo
from components.training.joining import with_neighbours
from components.training.labelled import Labelled
from components.training.light import light_views
from components.training.pool import Pool, Rounds
from components.training.self_training import self_train, view_shares
from components.training.taught import Taught
from components.training.teaching import write
from components.training.views import Views

COMMITTEE = "committee"
"""Folder of the committee as it is after the rounds."""
PSEUDO, REHEARSAL = "pseudo", "rehearsal"
"""Tables of pseudo-labels: by all labels, and by those outside of the fold that judges."""
_LIKELIEST, _OF_A_SET = 8, 64
"""Classes of a soft pseudo-label that are kept, of one class and of a set; what all others have is
next to nothing."""
_CELLS, _PRODUCTS = 6e7, 2e10
"""Most probabilities that rounds hold at once, and products in one step of their fits."""
_LEAST = 100
"""Unlabelled records below which a part of them is not worth a round."""
_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "confidence": pa.float32(),
        "accepted": pa.bool_(),
        "sources": pa.list_(pa.string()),
        "reason": pa.string(),
        "classes": pa.list_(pa.int64()),
        "shares": pa.list_(pa.float32()),
    }
)
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

    Writes ``committee/`` (after the rounds), ``pseudo.parquet`` and ``rehearsal.parquet`` (one row
    for each such record; in the latter also for records of the fold that judges the student, from
    fits that have not seen their labels; what all fits share, such as their scale, has) and
    ``summary.json``.

    Args:
        features: output of encode.
        teacher: output of teach.
        labeller: the part that decides; None switches rounds and pseudo-labels off.
        base: folder that a labeller given by path is relative to.
        out: an empty folder.
        progress: called after each stage.
    """
    data, committee = Features.load(features), out / COMMITTEE
    committee.mkdir()
    found = taught.load(teacher)
    if found is None or labeller is None:
        reason = "no labeller is chosen"
        if found is None:
            reason = str(read_json(teacher / taught.DESCRIPTION)["reason"])
            taught.save(None, committee, reason=reason)
        else:
            write(storage.load(teacher), found, committee)
        _nothing(out, reason)
        return
    module = parts.load("labellers", labeller.name, base)
    specs = data.specs.items()
    check_labeller(labeller, data.names, lambda: {n: rebuilt(n, s) for n, s in specs}, base)
    options = parts.configure("labellers", labeller.name, labeller.options, base)
    decide = checked(labeller.name, module.build(options))
    model = storage.load(teacher)
    done = rounds(model, data, found, progress)
    if isinstance(done, str):
        write(model, found, committee)
        _nothing(out, done)
        return
    write(model, done.taught, committee)
    by_fold = bool(getattr(module, "READS_RECORDS", False))
    pool = Pool(model, data, done, by_fold=by_fold)
    rows, labels = decided = pool.decided(decide, fit=-1)
    _write(out / f"{PSEUDO}.parquet", data, *decided)
    _write(out / f"{REHEARSAL}.parquet", data, *pool.decided(decide, fit=0))
    summary = {
        "labeller": labeller.name,
        "accepted": int(labels.accepted.sum()),
        "refused": int((~labels.accepted).sum()),
        "by_class": _counts(data, labels.labels[labels.accepted]),
        "thresholds": {
            c: float(t)
            for c, t in zip(data.classes, labels.thresholds, strict=True)
            if not np.isnan(t)
        },
        "rounds": [vars(each) for each in done.found.rounds],
        "audit": audit(
            data=data,
            rows=rows,
            decided=labels,
            known=pool.judged(decide),
            known_rows=found.labelled.rows,
        ),
    }
    write_json(out / "summary.json", summary)


def rounds(
    model: Model, data: Features, found: Taught, progress: Progress = silent
) -> Rounds | str:
    """Let a committee learn from the neighbour graph of the training records, or say why not.

    Of very many records or classes an evenly spaced part of the unlabelled records is used.
    """
    train = data.rows("train")
    views = light_views(model, data, found.made, train)
    unlabelled = np.setdiff1d(train[views.anything[train]], found.labelled.rows)
    if not len(unlabelled):
        return "no unlabelled training record has a fixed view"
    room = _room(views, found.labelled) - len(found.labelled.rows)
    if room < min(len(unlabelled), _LEAST):
        return (
            f"{found.labelled.targets.shape[1]:,} classes and {len(found.labelled.rows):,} labelled"
            " records leave no room for rounds"
        )
    unlabelled = unlabelled[:: -(-len(unlabelled) // room)]
    pool = np.sort(np.concatenate([found.labelled.rows, unlabelled]))
    done = self_train(views, found.labelled, found.committee, pool, progress=progress)
    committee = with_neighbours(
        views,
        found.labelled,
        done.committee,
        shares=view_shares(done.committee),
        pool=pool,
        distributions=done.distributions,
        shift=done.shift,
    )
    after = replace(found, committee=committee, shift=done.shift)
    return Rounds(taught=after, found=done, views=views, pool=pool)


def _room(views: Views, labelled: Labelled) -> int:
    """Records whose answers of all fits find room, and whose fits are no endless work."""
    cells = labelled.fits * labelled.targets.shape[1]
    dims = sum(x.shape[1] for x in views.features.values())
    return int(min(_CELLS / cells, _PRODUCTS / (cells * dims)))


def read_pseudo(folder: Path, name: str = PSEUDO) -> Pseudo | None:
    """Accepted pseudo-labels of a table; None without a labeller."""
    if read_json(folder / "summary.json")["labeller"] is None:
        return None
    table = pq.read_table(folder / f"{name}.parquet")
    table = table.filter(table["accepted"])
    classes, shares = table["classes"].to_pylist(), table["shares"].to_pylist()
    labels = np.array(table["label"].to_pylist(), dtype=np.int64)
    likeliest = None
    if len(table) and classes[0]:
        likeliest = (np.array(classes, np.int64), np.array(shares, np.float32))
    return Pseudo(
        ids=table["id"].to_pylist(),
        labels=labels,
        weights=table["confidence"].to_numpy().astype(np.float32),
        likeliest=likeliest,
    )


def _nothing(out: Path, reason: str) -> None:
    """Write empty tables, and why they are."""
    empty = _SCHEMA.append(pa.field("label", pa.int64())).empty_table()
    for name in (PSEUDO, REHEARSAL):
        pq.write_table(empty, out / f"{name}.parquet")
    write_json(
        out / "summary.json",
        {
            "labeller": None,
            "reason": reason,
            "accepted": 0,
            "refused": 0,
            "by_class": {},
            "thresholds": {},
            "rounds": [],
        },
    )


def _write(place: Path, data: Features, rows: NDArray[np.int64], decided: PseudoLabels) -> None:
    classes, shares = _likeliest(decided, len(rows))
    columns = {
        "id": [data.ids[row] for row in rows],
        "confidence": decided.confidence.astype(np.float32),
        "accepted": decided.accepted,
        "sources": decided.sources,
        "reason": decided.reasons,
        "classes": classes,
        "shares": shares,
    }
    table = pa.table(columns, schema=_SCHEMA)
    kind = pa.int64() if decided.labels.ndim == 1 else pa.list_(pa.int64())
    table = table.append_column("label", pa.array(decided.labels.tolist(), kind))
    pq.write_table(table, place)


def _likeliest(decided: PseudoLabels, count: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """The likeliest classes of each record, and their shares, which add up to 1.

    Of sets these are the probabilities of the classes, each for itself.
    """
    if decided.soft is None:
        return [[]] * count, [[]] * count
    one = decided.labels.ndim == 1
    order = np.argsort(-decided.soft, axis=1, kind="stable")[:, : _LIKELIEST if one else _OF_A_SET]
    shares = np.take_along_axis(decided.soft, order, axis=1)
    if one:
        shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    return order.tolist(), shares.astype(np.float32).tolist()


def _counts(data: Features, labels: NDArray[Any]) -> dict[str, int]:
    """Class to how many records have it."""
    return dict(zip(data.classes, data.target.counts(labels).tolist(), strict=True))
