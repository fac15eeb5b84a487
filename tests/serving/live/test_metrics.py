"""What is counted: the recall of searches, and the index that serves."""

import time

import pytest

from components.parts.recall import RecallWatch
from components.prediction.predictor import Predictor
from serving.interface.limits import Limits
from serving.live.answers import Answers
from tests import served
from tests.packaged import packed


@pytest.fixture
def asks(monkeypatch):
    monkeypatch.setattr(RecallWatch, "due", lambda _: True)
    package = packed().package
    answers = Answers(Predictor.load(package), limits=Limits.read(package), name="tiny", version=7)
    with served.client(answers) as client:
        yield client


def figures(client):
    lines = client.get("/metrics").text.splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_searches_are_repeated_exactly_and_their_recall_is_told(asks):
    assert figures(asks)["concord_search_recall"] == "NaN"
    body = {"query": {"text": "ring"}, "target": "image", "k": 5}
    assert asks.post("/v1/search", json=body).status_code == 200
    end = time.monotonic() + 10
    while figures(asks)["concord_search_recall"] == "NaN" and time.monotonic() < end:
        time.sleep(0.02)
    assert figures(asks)["concord_search_recall"] == "1.0"


def test_batches_records_and_their_modalities_are_counted(asks):
    asks.post("/v1/classify", json={"records": [{"text": "ring"}, {"text": "line"}]})
    found = figures(asks)
    assert found['concord_modalities_total{subset="text"}'] == "2.0"
    assert found["concord_batch_records_sum"] == "2.0"
    assert found["concord_queue_seconds_count"] == "1.0"
    assert found['concord_requests_total{path="/v1/classify",status="200"}'] == "1.0"
