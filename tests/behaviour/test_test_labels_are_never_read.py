"""The whole loop with the test labels replaced by garbage: same models, same choices, to the bit.

The oracle is the loop on the data set as it is. Every step runs as in a run, from the records on
disk to the evaluation; only figures may differ.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config import run as configuration
from components.config.home import Home
from flows.steps.step import Job, needed, walk
from flows.steps.table import steps_for
from tests import evaluated, tiny

SHORT = {"epochs: 8": "epochs: 3"}
LEARNED = ("teach", "pseudo_label", "train", "baselines")
CHOSEN = ("calibration.json", "thresholds.json")


def with_garbage(data: Path) -> None:
    """Give each test record another class: the first of the data set, or else the last."""
    table = pq.read_table(data / "records.parquet")
    rows = table.to_pylist()
    names = sorted({row["label"] for row in rows if row["label"] is not None})
    for row in rows:
        if row["split"] == "test":
            row["label"] = names[-1] if row["label"] == names[0] else names[0]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), data / "records.parquet")


def outputs(root: Path, *, garbage: bool) -> dict[str, tuple[str, Path]]:
    """Digest and folder of each step's output."""
    root.mkdir()
    data = tiny.make(root / "data")
    if garbage:
        with_garbage(data)
    config = configuration.load(tiny.config(root, data, SHORT))
    job = Job.opened(config, base=root, home=Home(root=root / "home"))
    rows = needed(steps_for(config, job.manifest, job.base), "evaluate")
    return {step.name: (step.ref.digest, step.ref.path) for step in walk(rows, job)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    root = tmp_path_factory.mktemp("garbage")
    with evaluated.one_thread():
        return [outputs(root / str(garbage), garbage=garbage) for garbage in (False, True)]


def test_models_and_choices_are_the_same_to_the_bit(both):
    honest, other = both
    for step in LEARNED:
        assert honest[step][0] == other[step][0], step
    first, second = (found["evaluate"][1] for found in both)
    for name in CHOSEN:
        there = [
            (folder / name).read_bytes() for folder in (first, second) if (folder / name).exists()
        ]
        assert len(set(there)) < 2, name


def test_answers_are_the_same_and_figures_are_not(both):
    folders = [found["evaluate"][1] for found in both]
    honest, other = (
        pq.read_table(folder / "predictions.parquet").drop_columns("label") for folder in folders
    )
    assert honest.equals(other)
    figures = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    assert figures[0]["selection"] == figures[1]["selection"]
    assert figures[0]["accuracy"] > figures[1]["accuracy"], "else nothing was replaced"
