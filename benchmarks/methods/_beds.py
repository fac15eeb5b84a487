"""The synthetic beds `pair` and `xor`, encoded by the product's own code for experiments."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.beds.dataset import LABELS, ORACLE, TRUTH, make_bed
from components.beds.knobs import knobs_of
from components.config.run import Labels
from components.core.files import read_json, write_json
from components.data.labels import visible_ids
from components.data.manifest import load_manifest
from components.data.splits import assign
from components.features.encode import encode
from components.features.store import Features


def bed(
    name: str,
    seed: int = 0,
    *,
    labels: int | None = None,
    draw: int = 0,
    **knobs: Any,  # noqa: ANN401 - those of `components.beds.knobs`
) -> Features:
    """A bed's encoded records: modalities a, b, …, each with one view, ``a/numbers``.

    Training labels that the draw does not show are coded as none, as in a run.

    Args:
        name: `pair` or `xor`.
        seed: of the bed.
        labels: labels for each class that are visible: 1, 2, 4, 8, 16, 32, 64, or None for all.
        draw: number of the draw of labels, 0 to 4; those of one draw are nested.
        knobs: as ``components.beds.knobs.Knobs``: records, modalities, dim, strength, noise (one or
            one each), imbalance, wrong, missing, unlabelled; classes and shared of `pair`; variant
            of `xor`.
    """
    made = _made(name, seed, tuple(sorted(knobs.items())))
    return _encoded(made) if labels is None else _drawn(made, labels, draw)


def truth(features: Features) -> NDArray[np.int64]:
    """The class number of every record ``(n,)``, also where its label is hidden."""
    return np.load(features.path / "truth.npy")


def wrong(features: Features) -> NDArray[np.bool_]:
    """Which records have modalities of another one ``(n,)``."""
    return np.load(features.path / "wrong.npy")


def oracle(features: Features) -> dict[str, float]:
    """The best accuracy that any model can reach: of each subset such as ``a+b``, ``as drawn``."""
    return read_json(features.path / ORACLE)["accuracy"]  # type: ignore[return-value]


@cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="concord-beds-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


@cache
def _made(name: str, seed: int, knobs: tuple[tuple[str, Any], ...]) -> Path:
    folder = Path(tempfile.mkdtemp(dir=_root())) / name
    make_bed(name, folder, knobs_of(name, seed=seed, **dict(knobs)))
    return folder


@cache
def _encoded(source: Path) -> Features:
    """The data set with all its labels, as validate accepts it, encoded."""
    manifest = load_manifest(str(source))
    table = pq.read_table(source / "records.parquet")
    ids = table["id"].to_pylist()
    roles = {"id": ids, "group": ids, "split": assign(ids, manifest.split), "label": table["label"]}
    inputs = table.drop_columns(["id", "label"])
    work = Path(tempfile.mkdtemp(dir=_root()))
    accepted, out = work / "accepted", work / "features"
    accepted.mkdir()
    out.mkdir()
    columns = dict(zip(inputs.column_names, inputs.columns, strict=True))
    pq.write_table(pa.table({**roles, **columns}), accepted / "records.parquet")
    classes = sorted(set(table[TRUTH].to_pylist()))
    described = {"manifest": manifest.model_dump(mode="json"), "classes": classes}
    write_json(accepted / "dataset.json", described)
    encode(
        accepted=accepted,
        data_uri=str(source),
        modalities={name: {"encoders": ["numbers"]} for name in manifest.modalities},
        cache=work / "cache",
        out=out,
    )
    np.save(out / "truth.npy", np.array([classes.index(c) for c in table[TRUTH].to_pylist()]))
    np.save(out / "wrong.npy", table["wrong_pair"].to_numpy())
    shutil.copy(source / ORACLE, out / ORACLE)
    return Features.load(out)


@cache
def _drawn(source: Path, labels: int, draw: int) -> Features:
    """The same records where training labels that a draw does not show are hidden."""
    data = _encoded(source)
    chosen = Labels(file=LABELS, column=f"labelled_{labels}_seed{draw}")
    seen = visible_ids(str(source), chosen) or frozenset()
    train = data.rows("train")
    hidden = [row for row in train if data.ids[row] not in seen]
    coded = data.labels.copy()
    coded[hidden] = data.target.unlabelled(len(hidden))
    folder = Path(tempfile.mkdtemp(dir=_root())) / "features"
    shutil.copytree(data.path, folder)
    np.save(folder / "labels.npy", coded)
    return Features.load(folder)
