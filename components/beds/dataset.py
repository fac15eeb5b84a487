"""A bed as a data set like any other: modalities of number columns, labels, and draws of labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.beds.generator import Drawn, generator, mixed
from components.beds.knobs import Knobs
from components.beds.oracle import oracle
from components.core.errors import UserError
from components.core.files import write_json, written_aside
from components.core.yaml_file import written_yaml
from components.data.draws import nested_draws
from components.data.manifest import FILE, Split
from components.data.splits import assign

ORACLE = "oracle.json"
LABELS = "labelled.parquet"
TRUTH = "truth"
"""Column of the class of every record, also where the label is hidden; no modality reads it."""
BUDGETS = (1, 2, 4, 8, 16, 32, 64)
"""Labels for each class of the draws in ``labelled.parquet``."""
DRAWS = 5
_SPLIT = Split(salt="beds", validation=0.1, test=0.3)


def make_bed(bed: str, folder: Path, knobs: Knobs) -> dict[str, float]:
    """Make a bed in a folder that does not exist yet; the same knobs give the same records.

    Args:
        bed: `pair` or `xor`.
        folder: gets ``records.parquet``, ``dataset.yaml``, ``labelled.parquet`` with nested draws
            of training labels (``labelled_<k>_seed<s>``), and ``oracle.json``.
        knobs: its settings.

    Returns:
        The oracle accuracy by subset of modalities.

    Raises:
        UserError: the folder exists.
    """
    if folder.exists():
        raise UserError(
            f"{folder} exists and is never overwritten; give another folder, or remove it first"
        )
    law = generator(bed, knobs)
    random = np.random.default_rng([knobs.seed, 1])
    ids = [f"{bed}-{row:07d}" for row in range(knobs.records)]
    train = np.array([split == "train" for split in assign(ids, _SPLIT)])
    drawn, other = law.draw(knobs.records, random), law.draw(knobs.records, random)
    wrong = train & (random.random(knobs.records) < knobs.wrong)
    hidden = train & (random.random(knobs.records) < knobs.unlabelled)
    present = _present(knobs, random)
    best = oracle(bed, knobs)
    with written_aside(folder) as made:
        table = _table(ids, mixed(drawn, other, np.flatnonzero(wrong)), hidden, present, knobs)
        table = table.append_column("wrong_pair", pa.array(wrong))
        pq.write_table(table, made / "records.parquet")
        offered = table.filter(train)
        generators = {seed: np.random.default_rng([knobs.seed, 3, seed]) for seed in range(DRAWS)}
        labels = offered["label"].to_pylist()
        draws = nested_draws(offered["id"].to_pylist(), labels, BUDGETS, generators)
        pq.write_table(pa.table(draws), made / LABELS)
        (made / FILE).write_text(_manifest(bed, knobs), encoding="utf-8")
        write_json(made / ORACLE, {"bed": bed, "knobs": knobs.of(bed), "accuracy": best})
    return best


def _present(knobs: Knobs, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which modalities each record has ``(n, modalities)``; at least one."""
    present = random.random((knobs.records, knobs.modalities)) >= knobs.missing
    kept = random.integers(0, knobs.modalities, knobs.records)
    empty = np.flatnonzero(~present.any(1))
    present[empty, kept[empty]] = True
    return present


def _table(
    ids: list[str],
    drawn: Drawn,
    hidden: NDArray[np.bool_],
    present: NDArray[np.bool_],
    knobs: Knobs,
) -> pa.Table:
    truth = np.array([f"c{label:02d}" for label in drawn.labels])
    columns: dict[str, Any] = {
        "id": ids,
        "label": pa.array(truth, mask=hidden),
        TRUTH: pa.array(truth),
    }
    vectors = drawn.vectors.astype(np.float32)
    for at, name in enumerate(knobs.names):
        for number, column in enumerate(_columns(name, knobs)):
            columns[column] = pa.array(vectors[:, at, number], mask=~present[:, at])
    return pa.table(columns)


def _columns(modality: str, knobs: Knobs) -> list[str]:
    return [f"{modality}{number:04d}" for number in range(knobs.dim)]


def _manifest(bed: str, knobs: Knobs) -> str:
    modalities = {
        name: {
            "kind": "tabular",
            "columns": {column: {"type": "number"} for column in _columns(name, knobs)},
        }
        for name in knobs.names
    }
    tree = {
        "id": "id",
        "target": {"column": "label", "kind": "single"},
        "split": {"salt": _SPLIT.salt, "validation": _SPLIT.validation, "test": _SPLIT.test},
        "modalities": modalities,
    }
    head = f"# The synthetic bed `{bed}`; {ORACLE} says how it was made and what can be reached.\n"
    return head + written_yaml(tree)
