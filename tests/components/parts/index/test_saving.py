"""A saved index is replaced as a whole: its writer may be killed, the old or the new is read."""

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

WRITER = """
import sys
from pathlib import Path
import numpy as np
from components.parts import loading as parts
from components.parts.index import approximate
approximate._SMALL = 300
module = parts.load("index", sys.argv[1])
rng, turn = np.random.default_rng(0), 0
index = module.build(module.Config(), dim=8, attributes={"turn": "number"})
ids = [f"r{i:04d}" for i in range(400)]
while True:
    turn += 1
    vectors = np.full((400, 8), turn, np.float32) + rng.random((400, 8), np.float32) / 2
    index.upsert(ids, vectors, {"turn": [turn] * 400})
    index.save(Path(sys.argv[2]))
    print(turn, flush=True)
"""


def _killed(family, place, seconds):
    """Start a writer, kill it after its first save and some seconds more; the last turn it told."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, family, str(place)], stdout=subprocess.PIPE, cwd=ROOT
    ) as writer:
        told = [writer.stdout.readline()]
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
    return int(told[-1])


def _is_whole(family, place, last):
    index = parts.load("index", family).open(place)
    vectors = index.vectors_of([f"r{i:04d}" for i in range(400)])
    (turn,) = set(np.floor(vectors).ravel().tolist())
    assert turn in (last, last + 1)
    (found,) = index.search(vectors[:1], 400)
    assert len(index) == len(found.ids) == 400
    generation = str(read_json(place / "current.json")["generation"])
    return {path.name for path in place.iterdir()} - {generation, "current.json"}


@pytest.mark.parametrize("family", ["exact", "approximate"])
def test_an_index_whose_writer_was_killed_is_whole(family, tmp_path):
    last = _killed(family, tmp_path / "index", 0.1)
    _is_whole(family, tmp_path / "index", last)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["exact", "approximate"])
def test_an_index_whose_writer_was_killed_at_many_moments_is_whole(family, tmp_path):
    moments = random.Random(0)
    for _ in range(15):
        last = _killed(family, tmp_path / "index", moments.uniform(0, 0.5))
        assert len(_is_whole(family, tmp_path / "index", last)) <= 2


def test_what_a_killed_writer_left_is_taken_away_by_the_next(tmp_path):
    module = parts.load("index", "exact")
    index = module.build(module.Config(), dim=2, attributes={})
    index.upsert(["a"], np.ones((1, 2), np.float32), {})
    index.save(tmp_path / "index")
    (tmp_path / "index" / "2").mkdir()
    (tmp_path / "index" / "2" / "vectors.npy").write_bytes(b"half")
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
