"""``concord feedback``: what was said is listed, and exported for `concord data import`."""

import json
from datetime import datetime

import pyarrow.parquet as pq
import pytest

from components.config.home import served
from components.core.errors import UsageError, UserError
from components.prediction.journal import Write
from flows.commands import feedback as command
from serving.store.database import Database
from serving.store.feedback import Feedback
from serving.store.journal import RecordsJournal
from serving.store.said import About, Said

ABOUT = About(model="tiny", version=4, package_digest="e" * 64, classes=["ring"])


@pytest.fixture(autouse=True)
def said(tmp_path, monkeypatch):
    """A function that gives feedback at a time."""
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    monkeypatch.delenv("CONCORD_DATABASE_URL", raising=False)
    with Database(served().store) as database:
        yield lambda time, **what: Feedback(database, clock=lambda: time).give(
            Said(**what), ABOUT, "shop"
        )


def test_what_was_said_is_listed(said):
    said(0.0, record="r7", labels=["ring"])
    said(86_400.0, record="r8", labels=["coin"], note="rare")
    found = command.list_(None)
    assert "record r8  coin (new)" in found.text
    assert [f["record"] for f in json.loads(json.dumps(found.value))["feedback"]] == ["r7", "r8"]
    later = command.list_(datetime(1970, 1, 2))
    assert [f["record"] for f in later.value["feedback"]] == ["r8"]


def test_labels_are_exported_and_what_is_missing_is_told(said, tmp_path):
    said(0.0, record="r7", labels=["ring"])
    said(1.0, record="r8", note="rare")
    found = command.export(tmp_path / "f.parquet", None)
    assert pq.read_table(tmp_path / "f.parquet")["id"].to_pylist() == ["r7"]
    assert "1 of them by id alone" in found.text
    assert "left out, for want of a label: 1 judgement;" in found.text
    assert not found.then, "an import finds nothing to learn from in ids alone"


def test_nothing_to_export_is_told_and_nothing_is_written(said, tmp_path):
    with pytest.raises(UserError, match="no label was given"):
        command.export(tmp_path / "f.parquet", None)
    said(0.0, record="r7", labels=["ring"])
    with pytest.raises(UsageError, match=r"ends with \.parquet"):
        command.export(tmp_path / "f.csv", None)
    assert not (tmp_path / "f.parquet").exists()


def test_where_there_is_none_the_way_to_give_it_is_told():
    assert "POST /v1/feedback" in command.list_(None).text


def test_records_that_users_wrote_are_exported_with_their_last_values(said, tmp_path):
    with Database(served().store) as database:
        journal = RecordsJournal(database, "tiny")
        journal.append([Write(id="r7", record={"title": "old"}), Write(id="r8", record=None)])
        journal.append([Write(id="r7", record={"title": "new"}), Write(id="r9", record={})])
    said(0.0, record="r7", labels=["ring"])
    said(1.0, record="r8", labels=["ring"])
    found = command.export(tmp_path / "f.parquet", None)
    rows = pq.read_table(tmp_path / "f.parquet").to_pylist()
    assert [(r["id"], r["title"]) for r in rows] == [("r7", "new"), ("r8", None)]
    assert found.value["with_values"] == 1
    assert found.then.startswith("concord data import")
