"""A column of times, from the data set to searches that filter by it."""

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from components.config.run import DataConfig, RunConfig
from components.core.files import write_json
from components.features.store import Features
from components.model import storage
from components.prediction.package import package
from serving.interface.limits import Limits
from serving.live.answers import Answers
from serving.live.records import Records
from serving.store.database import Database
from serving.store.journal import RecordsJournal
from tests import evaluated, served, tiny
from tests.packaged import METRICS

RECORDS = 60
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
TIMES = [None if n % 10 == 9 else (FIRST + timedelta(days=n)).isoformat() for n in range(RECORDS)]
TIMES[1] = "2025-01-02T02:00:00+02:00"  # as the others, in another zone
TIMES[2] = "2025-01-03"
QUERY = {"text": "ring"}


@pytest.fixture(scope="module")
def ids(folder):
    return pq.read_table(folder / "data" / "records.parquet")["id"].to_pylist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set with times, and the package that a run makes of it."""
    root = tmp_path_factory.mktemp("timed")
    times = [*TIMES]
    times[5] = "yesterday"
    tiny.encoded(root, RECORDS, times)
    features = Features.load(root / "features")
    fitted = evaluated.fit(features, ("facts", "image", "text"), seed=0, steps=2)
    storage.save(fitted, root / "train" / "model")
    (root / "evaluation").mkdir()
    write_json(root / "evaluation" / "calibration.json", {})
    write_json(root / "evaluation" / "metrics.json", METRICS)
    (root / "out").mkdir()
    package(
        features=root / "features",
        train=root / "train",
        evaluation=root / "evaluation",
        config=RunConfig(name="timed", data=DataConfig(uri="data")),
        out=root / "out",
    )
    return root


@pytest.fixture
def client(folder, tmp_path):
    with Database(tmp_path / "store.sqlite") as database:
        limits = Limits.read(folder / "out" / "package")
        answers = Answers.load(
            folder / "out" / "package",
            limits=limits,
            name="timed",
            version=1,
            records=Records(RecordsJournal(database, "timed")),
        )
        with served.client(answers) as client:
            yield client


def found(client, where):
    asked = {"query": QUERY, "k": 100, "filter": where}
    response = client.post("/v1/search", json=asked)
    assert response.status_code == 200, response.text
    return {hit["id"] for hit in response.json()["hits"]}


def test_a_time_that_cannot_be_read_puts_its_record_aside(folder, ids):
    (bad,) = pq.read_table(folder / "accepted" / "quarantine" / "records.parquet").to_pylist()
    assert bad["id"] == ids[5]
    assert "seen: got 'yesterday', wanted a time such as 2026-01-31T09:30:00Z" in bad["reasons"][0]
    kept = pq.read_table(folder / "accepted" / "records.parquet")["time"].to_pylist()
    assert kept[2] == (FIRST + timedelta(days=2)).timestamp()
    assert kept[8] is None  # the tenth, after one that was put aside


def test_searches_find_what_lies_between_two_times(client, ids):
    inside = {ids[n] for n in range(10, 20) if n % 10 != 9}
    bounds = {"at_least": "2025-01-11T00:00:00Z", "below": "2025-01-21T02:00:00+02:00"}
    assert found(client, {"field": "time", **bounds}) == inside
    early = {ids[n] for n in (0, 1, 2)}
    assert found(client, {"field": "time", "at_most": "2025-01-03T00:00:00Z"}) == early
    everywhere = {"not": {"field": "time", "at_least": "1970-01-01T00:00:00Z"}}
    assert found(client, everywhere) == {ids[n] for n in range(9, RECORDS, 10)}
    refused = client.post(
        "/v1/search", json={"query": QUERY, "filter": {"field": "time", "above": "soon"}}
    )
    assert refused.status_code == 422
    assert refused.json()["problems"][0]["field"] == "filter.above"
    assert client.get("/v1/model").json()["timed"] is True


def test_a_record_that_is_written_has_its_time(client, ids):
    late = {"field": "time", "above": "2030-01-01T00:00:00Z"}
    body = {"record": QUERY, "time": "2031-05-06T07:08:09.5+01:00"}
    assert client.put("/v1/records/new", json=body).status_code == 200
    assert client.post(
        "/v1/records", json={"records": [{"id": ids[0], "record": QUERY}]}
    ).is_success
    assert found(client, late) == {"new"}
    assert client.get("/v1/records/new").json()["time"] == "2031-05-06T06:08:09.500000Z"
    assert client.get(f"/v1/records/{ids[0]}").json()["time"] is None  # it was replaced as a whole
    assert client.get(f"/v1/records/{ids[1]}").json()["time"] == "2025-01-02T00:00:00Z"
    refused = client.put("/v1/records/new", json={"record": QUERY, "time": "soon"})
    assert refused.json()["problems"] == [
        {"field": "time", "got": "'soon'", "wanted": "a time such as 2026-01-31T09:30:00Z"}
    ]


def test_another_unit_reads_the_times_of_what_was_written(client, folder, tmp_path):
    assert client.put("/v1/records/new", json={"record": QUERY, "time": "2031-05-06"}).is_success
    with Database(tmp_path / "store.sqlite") as database:
        journal = RecordsJournal(database, "timed")
        (write,) = journal.written([1]).values()
        assert write.time == datetime(2031, 5, 6, tzinfo=UTC).timestamp()
        limits = Limits.read(folder / "out" / "package")
        other = Answers.load(
            folder / "out" / "package",
            limits=limits,
            name="timed",
            version=1,
            records=Records(journal),
        )
        assert other.known("new").time == write.time
