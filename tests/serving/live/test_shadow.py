"""Shadows: copied requests, whose answers are compared and never seen."""

import time

import pytest
from fastapi.testclient import TestClient

from components.prediction.predictor import Predictor
from serving.http.app import build
from serving.http.front import Front
from serving.interface.limits import Limits
from serving.live.answers import Answers
from serving.live.live import Beside, Live
from serving.live.shared import Shared
from serving.live.unit import Unit
from serving.store import beside
from serving.store.database import Database
from tests.packaged import packed

ASKED = {"records": [{"text": "ring"}, {"text": "line"}]}


@pytest.fixture
def two():
    """A client of a champion with a shadow, both units, and what is kept of them."""
    limits, kept = Limits.read(packed().package), []
    shared = Shared.of(limits.serving)
    units = [
        Unit(
            Answers(Predictor.load(packed().package), limits=limits, name="tiny", version=v),
            shared,
            build,
        )
        for v in (1, 2)
    ]
    live = Live(units[0])
    live.shadow = Beside(unit=units[1], share=1.0)
    front = Front(live, shared, record=lambda **told: kept.append(told))
    with TestClient(front, raise_server_exceptions=False) as client:
        yield client, units, kept


def settled(kept, count):
    end = time.monotonic() + 20
    while len(kept) < count and time.monotonic() < end:
        time.sleep(0.01)
    return kept


def test_a_copy_is_answered_and_the_client_sees_the_champion(two):
    client, _, kept = two
    body = client.post("/v1/classify", json=ASKED).json()
    assert body["model"]["version"] == 1
    (told,) = settled(kept, 1)
    labels = [answer["label"] for answer in body["answers"]]
    assert told["answers"] == {"champion": {"labels": labels}, "shadow": {"labels": labels}}
    assert 'concord_shadow_answers_total{same="true"} 1.0' in client.get("/metrics").text


def test_what_a_shadow_breaks_is_told_and_harms_nobody(two, monkeypatch):
    client, units, kept = two

    async def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(units[1], "app", broken)
    assert client.post("/v1/classify", json=ASKED).status_code == 200
    (told,) = settled(kept, 1)
    assert told["answers"]["shadow"] == {"failed": "RuntimeError"}
    assert client.post("/v1/classify", json=ASKED).status_code == 200


def test_refused_requests_and_other_paths_are_not_copied(two):
    client, _, kept = two
    assert client.post("/v1/classify", json={"records": []}).status_code == 422
    assert client.get("/v1/model").status_code == 200
    assert client.post("/v1/classify", json=ASKED).status_code == 200
    assert len(settled(kept, 1)) == 1


def test_what_both_answered_is_kept_and_counted(tmp_path):
    with Database(tmp_path / "store.sqlite") as database:
        for theirs in ("a", "b", "a"):
            beside.record(
                database, model="m", path="/v1/classify", champion="1", shadow="2",
                answers={"champion": {"labels": ["a"]}, "shadow": {"labels": [theirs]}},
            )  # fmt: skip
        found = beside.compared(database, "2")
    assert (found.asked, found.same) == (3, 2)
    assert [d["shadow"] for d in found.differences] == [{"labels": ["b"]}]
