"""A file of rows that was interrupted goes on where it was, and is the same in the end."""

from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from components.core.errors import UserError
from components.prediction.resumable import write_in_parts

SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "label", "reason")])
PARTS = [
    pa.table({"id": [f"{n}", f"{n}b"], "label": ["x", None], "reason": why}, schema=SCHEMA)
    for n, why in enumerate([[None, "nothing"], ["no sound", "nothing"], [None, "nothing"]])
]


class Killed(BaseException):
    """Stands for the end of the process."""


def write(out, key="k", until=3):
    """The parts that were made anew, and the counts; killed before part ``until``."""
    made = []

    def tables(finished):
        for number, table in islice(enumerate(PARTS), finished, None):
            if number == until:
                raise Killed
            made.append(number)
            yield table

    try:
        return made, write_in_parts(tables, SCHEMA, out, 6, key=key)
    except Killed:
        return made, None


def test_an_interrupted_run_makes_only_what_lacks(tmp_path):
    out, whole = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write(whole)
    assert write(out, until=2) == ([0, 1], None)
    assert not out.exists()
    made, counts = write(out)
    assert made == [2]
    assert (counts.records, counts.answered, counts.partly) == (6, 3, 1)
    assert out.read_bytes() == whole.read_bytes()
    assert pq.read_table(out).equals(pa.concat_tables(PARTS))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_parts_of_another_model_or_set_are_thrown_away(tmp_path):
    out = tmp_path / "a.parquet"
    write(out, until=2)
    assert write(out, key="other")[0] == [0, 1, 2]


def test_two_processes_do_not_write_the_same_file(tmp_path):
    (tmp_path / ".a.parquet.parts").mkdir()
    with (
        FileLock(tmp_path / ".a.parquet.parts" / "lock"),
        pytest.raises(UserError, match="another process is writing"),
    ):
        write(tmp_path / "a.parquet")
