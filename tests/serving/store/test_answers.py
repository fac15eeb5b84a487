"""The answer log: off the request path, bounded, pruned by age."""

import json
import threading
import time

import pytest
from sqlalchemy import func, select

from components.core.errors import MachineError
from serving.store import answers as module
from serving.store.answers import ANSWERS, SCHEMA, AnswerLog
from tests.serving.store.noted import answered


def rows(database):
    with database.reading(SCHEMA) as connection:
        found = connection.execute(select(ANSWERS).order_by(ANSWERS.c.id))
        return [dict(row) for row in found.mappings()]


def log(database, **more):
    made = AnswerLog(database, **{"days": 30, "clock": lambda: 1_000_000.0} | more)
    made.start()
    return made


class Stuck:
    """A store that answers when it may."""

    def __init__(self, database, *, refuses=False):
        self.free, self._database, self._refuses = threading.Event(), database, refuses

    def writing(self, schema):
        if self._refuses and not self.free.is_set():
            raise MachineError("no answer")
        self.free.wait(10)
        return self._database.writing(schema)


def test_an_answer_is_there_as_soon_as_the_log_is_settled(opened):
    database = opened()
    made = log(database)
    made.note(answered(id="a"), answered(id="b", endpoint="search", abstained=None, payload={}))
    assert made.settle()
    first, second = rows(database)
    assert json.loads(first["outputs"]) == {"labels": {"ring": 0.75}}
    assert json.loads(first["modalities"]) == ["image", "text"]
    assert (first["token"], first["version"], first["payload"]) == ("shop", 3, None)
    assert (second["endpoint"], second["abstained"], second["payload"]) == ("search", None, "{}")
    made.close()


def test_what_waits_is_written_at_the_end(opened):
    database = opened()
    made = log(database)
    made.note(*[answered() for _ in range(1300)])
    made.close()
    assert len(rows(database)) == 1300


def test_text_that_no_database_takes_is_kept_as_json(opened):
    database = opened()
    made = log(database)
    made.note(answered(outputs={"labels": {"\0\ud800": 1.0}}))
    assert made.settle()
    assert json.loads(rows(database)[0]["outputs"]) == {"labels": {"\0\ud800": 1.0}}
    made.close()


def test_a_store_that_hangs_holds_up_nobody_and_what_is_too_much_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WAITING", 100)
    dropped = []
    with module.Database(tmp_path / "store.sqlite") as database:
        stuck = Stuck(database)
        made = log(stuck, dropped=dropped.append)
        begun = time.monotonic()
        for _ in range(150):
            made.note(answered())
        assert time.monotonic() - begun < 0.5
        assert sum(dropped) == 50
        assert not made.settle(0.05)
        stuck.free.set()
        assert made.settle()
        made.close()
        with database.reading(SCHEMA) as connection:
            count = connection.execute(select(func.count()).select_from(ANSWERS)).scalar_one()
        assert count == 100


def test_payloads_are_bounded_by_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WAITING_BYTES", 1000)
    dropped = []
    with module.Database(tmp_path / "store.sqlite") as database:
        stuck = Stuck(database)
        made = log(stuck, dropped=dropped.append)
        made.note(*[answered(payload={"text": "x" * 400}) for _ in range(4)])
        assert sum(dropped) == 2
        stuck.free.set()
        made.close()


def test_a_store_that_refuses_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_AGAIN", 0.02)
    with module.Database(tmp_path / "store.sqlite") as database:
        stuck = Stuck(database, refuses=True)
        made = log(stuck)
        made.note(answered())
        assert not made.settle(0.5)
        stuck.free.set()
        assert made.settle()
        assert len(rows(database)) == 1
        made.close()


def test_answers_are_deleted_by_age_in_steps(opened, monkeypatch):
    monkeypatch.setattr(module, "_STEP", 10)
    database, day = opened(), 86_400
    made = log(database, days=2)
    old = [answered(1_000_000.0 - 2 * day - 1) for _ in range(25)]
    kept = [answered(1_000_000.0 - 2 * day + 1) for _ in range(3)]
    made.note(*old, *kept)
    made.close()
    made.prune()
    assert {row["id"] for row in rows(database)} == {answer.id for answer in kept}


@pytest.mark.parametrize("count", [0, 10])
def test_pruning_tells_how_many(opened, monkeypatch, count):
    monkeypatch.setattr(module, "_STEP", 10)
    database = opened()
    made = AnswerLog(database, days=1, clock=lambda: 1_000_000.0)
    if count:
        with database.writing(SCHEMA) as connection:
            old = [module._row(answered(1.0)) for _ in range(count)]
            connection.execute(ANSWERS.insert(), old)
    assert made.prune() == count
