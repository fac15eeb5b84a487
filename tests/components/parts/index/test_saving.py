"""A saved index is replaced as a whole: its writer may be killed, the old or the new is read."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.files import read_json
from components.parts import loading as parts
from tests.stores import ROOT

BUILT = """
import os, signal, sys
from pathlib import Path
import numpy as np
from components.parts import loading as parts
from components.parts.index import approximate
approximate._SMALL = 30
module = parts.load("index", sys.argv[1])
rng, count = np.random.default_rng(0), int(sys.argv[3])
ids = [f"r{i:04d}" for i in range(count)]
index = module.build(module.Config(), dim=8, attributes={"turn": "number"})
def save(turn, place):
    vectors = np.full((count, 8), turn, np.float32) + rng.random((count, 8), np.float32) / 2
    index.upsert(ids, vectors, {"turn": [turn] * count})
    index.save(place)
"""
ON_AND_ON = """
turn = 0
while True:
    turn += 1
    save(turn, Path(sys.argv[2]))
    print(turn, flush=True)
"""
STEP_BY_STEP = """
import faiss, pandas  # each writer needs them
os.fsync = lambda _: None  # the system keeps what a killed process wrote
def killed_before(left, place):
    def count(event, _):
        nonlocal left
        left -= event.startswith(("open", "os.", "shutil."))
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    save(1, place)
    sys.addaudithook(count)
    save(2, place)
    os._exit(0)
step, status = 0, None
while status != 0:
    step += 1
    place = Path(sys.argv[2]) / str(step)
    _, status = os.waitpid(os.fork() or killed_before(step, place), 0)
    if status not in (0, signal.SIGKILL):
        sys.exit(f"the writer of step {step} ended with {status}")
print(step)
"""


def _killed(family, place, seconds):
    """Start a writer, kill it after its first save and some seconds more; the last turn it told."""
    with subprocess.Popen(
        [sys.executable, "-c", BUILT + ON_AND_ON, family, str(place), "400"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as writer:
        told = [writer.stdout.readline()]
        assert told[0], "the writer ended before its first save"
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
    return int(told[-1])


def _is_whole(family, place, last, count):
    index = parts.load("index", family).open(place)
    vectors = index.vectors_of([f"r{i:04d}" for i in range(count)])
    (turn,) = set(np.floor(vectors).ravel().tolist())
    assert turn in (last, last + 1)
    (found,) = index.search(vectors[:1], count)
    assert len(index) == len(found.ids) == count
    generation = str(read_json(place / "current.json")["generation"])
    return turn, {path.name for path in place.iterdir()} - {generation, "current.json"}


@pytest.mark.parametrize("family", ["exact", "approximate"])
def test_an_index_whose_writer_was_killed_before_any_step_of_a_save_is_whole(family, tmp_path):
    script = [sys.executable, "-c", BUILT + STEP_BY_STEP, family, str(tmp_path), "40"]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # a fork has no other threads to wait for
    done = subprocess.run(
        script, capture_output=True, text=True, check=False, cwd=ROOT, env=alone, timeout=200
    )
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    turns = [_is_whole(family, tmp_path / str(step), 1, 40)[0] for step in range(1, steps + 1)]
    assert turns == sorted(turns)
    assert turns.count(1) > 10, "files were written"
    assert turns.count(2) > 2, "the old ones were removed"


@pytest.mark.slow
@pytest.mark.parametrize("family", ["exact", "approximate"])
def test_an_index_whose_writer_was_killed_at_many_moments_is_whole(family, tmp_path):
    moments = random.Random(0)
    for _ in range(15):
        last = _killed(family, tmp_path / "index", moments.uniform(0, 0.5))
        assert len(_is_whole(family, tmp_path / "index", last, 400)[1]) <= 2


@pytest.mark.parametrize("left", ["2/vectors.npy", "7/vectors.npy", ".current.json.5.a.part"])
def test_what_a_killed_writer_left_is_taken_away_by_the_next(tmp_path, left):
    """Half of the next generation, one before that was being removed, a file being written."""
    module = parts.load("index", "exact")
    index = module.build(module.Config(), dim=2, attributes={})
    index.upsert(["a"], np.ones((1, 2), np.float32), {})
    index.save(tmp_path / "index")
    path = tmp_path / "index" / left
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half")
    assert len(module.open(tmp_path / "index")) == 1
    index.save(tmp_path / "index")
    assert sorted(p.name for p in (tmp_path / "index").iterdir()) == ["2", "current.json"]
    assert len(module.open(tmp_path / "index")) == 1


def test_a_save_that_fails_leaves_the_index_before_it(tmp_path, monkeypatch):
    module = parts.load("index", "exact")
    index = module.build(module.Config(), dim=2, attributes={})
    index.upsert(["a"], np.ones((1, 2), np.float32), {})
    index.save(tmp_path / "index")
    index.upsert(["b"], np.ones((1, 2), np.float32), {})
    with monkeypatch.context() as full:
        full.setattr("pyarrow.parquet.write_table", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            index.save(tmp_path / "index")
    assert sorted(p.name for p in (tmp_path / "index").iterdir()) == ["1", "current.json"]
    assert len(module.open(tmp_path / "index")) == 1


def test_an_index_of_before_attributes_had_types_is_read(tmp_path):

    np.save(tmp_path / "vectors.npy", np.eye(2, dtype=np.float32))
    columns = {"id": ["b", "a"], "label": ["x", None], "tags": [["u"], ["u", "v"]]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    index = parts.load("index", "exact").open(tmp_path)
    assert index.attributes == {"label": "text", "tags": "texts"}
    assert index.vectors_of(["a", "b"]).tolist() == [[0, 1], [1, 0]]
