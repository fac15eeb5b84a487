"""A unit: records that take long are computed one after another, and others come in between."""

import asyncio
import gc
import io
import os
import threading
import time
import weakref

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from serving.http.app import build
from serving.interface.limits import Limits
from serving.live import unit as units
from serving.live.answers import Answers
from serving.live.batching import Full
from serving.live.budget import Cost
from serving.live.records import Records
from serving.live.shared import Shared
from serving.live.unit import Unit
from serving.store.database import Database
from serving.store.journal import RecordsJournal
from tests.packaged import packed


def picture(width, height):
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def unit(monkeypatch):
    limits = Limits.read(packed().package)
    answers = Answers.load(packed().package, limits=limits, name="tiny", version=1)
    unit = Unit(answers, Shared.of(limits.serving), build)
    batches = []
    compute = unit._compute

    def seen(rows):
        batches.append([place for _, place in rows])
        return compute(rows)

    monkeypatch.setattr(unit._batches, "_compute", seen)
    monkeypatch.setattr(units, "_TOGETHER", 100_000)
    return unit, batches


LARGE, SMALL = {"image": picture(500, 500)}, {"text": "ring"}


def test_small_records_of_a_request_are_computed_together_and_large_ones_alone(unit):
    unit, batches = unit
    records = {"a": LARGE, "b": SMALL, "c": SMALL, "d": LARGE}
    found = asyncio.run(unit.predict(records, "records"))
    assert [p.modalities for p in found] == [("image",), ("text",), ("text",), ("image",)]
    assert batches == [["a"], ["b", "c"], ["d"]]


def test_others_come_in_between_and_nothing_is_computed_for_a_client_that_has_gone(unit):
    unit, batches = unit

    async def story():
        large = asyncio.create_task(unit.predict({str(n): LARGE for n in range(5)}, "records"))
        while not batches and not large.done():
            await asyncio.sleep(0.001)
        await unit.predict({"small": SMALL}, "records")
        large.cancel()
        await asyncio.sleep(0.3)

    asyncio.run(story())
    assert ["small"] in batches
    assert len(batches) < 5


@pytest.fixture
def slow(unit, monkeypatch):
    """A unit where a picture takes two seconds by what it tells, and as long as a test wants."""
    unit, _ = unit
    go, seen = threading.Event(), []
    compute = unit._long._compute

    def tells(records):
        return {
            f"{place}.{name}": Cost(memory=1, seconds=2.0 if name == "image" else 0.0)
            for place, record in records.items()
            for name in record
        }

    def waits(rows):
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        assert go.wait(30)
        return compute(rows)

    monkeypatch.setattr(unit.answers, "costs", tells)
    monkeypatch.setattr(unit._long, "_compute", waits)
    return unit, go, seen


def test_records_that_take_long_have_their_own_lane_and_a_short_queue(slow):
    unit, go, seen = slow

    async def story():
        one = {"a": LARGE, "b": SMALL}
        first = [asyncio.create_task(unit.predict(one, "records")) for _ in range(3)]
        while not seen:
            await asyncio.sleep(0.001)
        found = [await unit.predict({"s": SMALL}, "records") for _ in range(20)]
        assert len(found) == 20
        assert not unit.full  # others may go on to ask
        with pytest.raises(Full):
            await unit.predict(one, "records")
        go.set()
        for answer in await asyncio.gather(*first):
            assert [p.modalities for p in answer] == [("image",), ("text",)]

    asyncio.run(story())
    assert all(priority >= 10 for priority in seen)  # what others leave of the processors


def test_a_unit_that_serves_no_more_leaves_memory_with_its_model_and_its_records(tmp_path):
    def begun():
        limits = Limits.read(packed().package)
        journal = RecordsJournal(Database(tmp_path / "store.db"), "tiny")
        answers = Answers.load(
            packed().package, limits=limits, name="tiny", version=1, records=Records(journal)
        )
        unit = Unit(answers, Shared.of(limits.serving), build)
        with TestClient(unit.app) as client:
            client.get("/v1/model")
        predictor = answers.predictor
        held = (unit, unit.app, predictor, predictor.collection, predictor.classifier)
        return [weakref.ref(one) for one in held]

    left, end = begun(), time.monotonic() + 10
    while any(one() for one in left) and time.monotonic() < end:
        gc.collect()
        time.sleep(0.05)  # a thread of a pool holds its last work for a moment
    assert [one() for one in left] == [None] * 5


def test_the_routes_of_an_application_before_leave_memory():
    def built():
        limits = Limits.read(packed().package)
        answers = Answers.load(packed().package, limits=limits, name="tiny", version=1)
        unit = Unit(answers, Shared.of(limits.serving), build)
        return [weakref.ref(r.endpoint) for r in unit.app.routes if hasattr(r, "response_model")]

    before = built()
    built()
    gc.collect()
    assert before
    assert [route() for route in before] == [None] * len(before)
