"""Wrong input by users: one clear message, no traceback, and all that existed is untouched."""

import errno
import os
import shutil
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from components.config.home import Home
from components.registry.ledger import Ledger
from flows import engines
from flows.cli import app
from flows.runs.records import Runs
from tests import tiny

pytestmark = pytest.mark.usefixtures("prefect_server")


def concord(*arguments, home):
    return CliRunner().invoke(app, [*map(str, arguments)], env={"CONCORD_HOME": str(home)})


def edit(folder, change):
    """Rewrite the records with ``change(rows)`` applied."""
    path = folder / "records.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), table.schema), path)


def each(column, value, when=bool):
    return lambda rows: [row | {column: value} if when(row) else row for row in rows]


STOPS = {
    "a missing column": (
        lambda folder: (folder / "dataset.yaml").write_text(
            tiny.MANIFEST.replace("weight", "weigth")
        ),
        "weigth",
    ),
    "an empty split": (
        lambda folder: edit(folder, lambda rows: [r for r in rows if r["split"] != "test"]),
        "test",
    ),
    "a class without labelled record": (
        lambda folder: edit(
            folder, each("label", None, lambda r: r["split"] == "train" and r["label"] == "line")
        ),
        "line",
    ),
    "all unlabelled": (lambda folder: edit(folder, each("label", None)), "label"),
    "a modality absent everywhere": (lambda folder: edit(folder, each("text", None)), "text"),
}


@pytest.mark.parametrize("case", STOPS)
def test_data_that_cannot_be_used_stop_the_run_with_one_message(case, first, tmp_path):
    spoil, said = STOPS[case]
    home = tmp_path / "home"
    shutil.copytree(first[1], home)
    before = Ledger(Home(root=home).ledger).entries()
    data = tiny.make(tmp_path / "data")
    spoil(data)
    done = concord("run", tiny.config(tmp_path, data), home=home)
    assert done.exit_code == 1, done.output
    assert said in done.output
    assert "Traceback" not in done.output
    assert Ledger(Home(root=home).ledger).entries() == before
    assert concord("run", first[0], home=home).exit_code == 0


def test_a_missing_column_stops_the_run_before_engines_start(tmp_path, monkeypatch):
    def started(_: Home) -> None:
        pytest.fail("engines started")

    monkeypatch.setattr(engines, "started", started)
    data = tiny.make(tmp_path / "data")
    STOPS["a missing column"][0](data)
    done = concord("run", tiny.config(tmp_path, data), home=tmp_path / "home")
    assert (done.exit_code, "weigth" in done.output) == (1, True)


def test_bad_records_are_put_aside_and_the_run_goes_on(again):
    home, data = again / "home", again / "data"
    edit(data, lambda rows: [*rows, rows[0]])  # an id twice
    next((data / "media" / "images").iterdir()).write_bytes(b"no picture")
    done = concord("run", tiny.config(again, data), home=home)
    assert done.exit_code == 0, done.output
    checked = concord("data", "check", data, home=home)
    assert checked.exit_code == 1
    assert "241 records: 239 accepted, 2 quarantined" in checked.output


def test_a_full_disk_is_told_and_freeing_it_is_enough(first, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", small],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        (small / "steps").mkdir()
        done = concord("run", first[0], home=small)
        assert done.exit_code == 1
        assert os.strerror(errno.ENOSPC) in done.output
        assert "Traceback" not in done.output
        assert not [p for p in small.rglob("*.part")]
        assert {r.status for r in Runs(Home(root=small)).all()} <= {"failed", "running"}
    finally:
        # Lazily: the error that was caught may still hold mapped files of the feature cache.
        subprocess.run(["umount", "--lazy", small], check=True)
    assert concord("run", first[0], home=first[1]).exit_code == 0


def test_a_taken_port_is_wrong_use(first):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = concord("serve", "--port", port, home=first[1])
    assert done.exit_code == 2
    assert str(port) in done.output
    assert "Traceback" not in done.output


def test_serving_without_a_champion_says_what_to_do(tmp_path):
    done = concord("serve", home=tmp_path)
    assert done.exit_code == 1
    assert "concord run" in done.output
