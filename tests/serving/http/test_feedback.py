"""Answers have ids, are logged with who asked, and can be judged at once: the whole service."""

import json
import re
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from components.config.run import ServingConfig
from serving.http.app import build
from serving.http.front import Front
from serving.http.tokens import Access, Guard
from serving.interface.limits import Limits
from serving.live.answers import Answers
from serving.live.live import Live
from serving.live.shared import Shared
from serving.live.unit import Unit
from serving.store import payloads
from serving.store.answers import ANSWERS, SCHEMA, AnswerLog
from serving.store.database import Database
from serving.store.feedback import Feedback
from serving.store.tokens import SCOPES, Tokens
from tests.packaged import packed

JSON = {"Content-Type": "application/json"}
PLACES = "home|root|tmp|usr|var|opt|app|mnt|srv"
PATHS = re.compile(rf"(?<![\w.])/(?:{PLACES})/|site-packages|\.py\b")


@pytest.fixture(scope="module")
def answers():
    package = packed().package
    return Answers.load(package, limits=Limits.read(package), name="tiny", version=3)


@pytest.fixture
def database(tmp_path):
    with Database(tmp_path / "store.sqlite") as database:
        yield database


@contextmanager
def serving(answers, database, access=Access.TOKENS, **limits):
    tokens = Tokens(database)
    token = tokens.new("shop", [s for s in SCOPES if s != "admin"])
    shared = Shared.of(ServingConfig(**limits), database)
    shared.kept.log.start()
    guard = Guard(access, tokens.valid)
    guard.refresh()
    front = Front(Live(Unit(answers, shared, build)), shared, guard)
    headers = {"Authorization": f"Bearer {token}"}
    with TestClient(front, base_url="http://localhost", headers=headers) as client:
        yield client
    shared.kept.log.close()


@pytest.fixture
def client(answers, database):
    with serving(answers, database) as client:
        yield client


def logged(database):
    with database.reading(SCHEMA) as connection:
        return [dict(r) for r in connection.execute(select(ANSWERS)).mappings()]


def classify(client, *records):
    return client.post("/v1/classify", json={"records": list(records)}).json()["answers"]


def test_every_record_and_every_search_has_an_id_and_is_logged(answers, database):
    with serving(answers, database) as client:
        told = classify(client, {"text": "ring"}, {"text": "coin"})
        search = client.post("/v1/search", json={"query": {"text": "ring"}, "k": 3}).json()
    rows = {row["id"]: row for row in logged(database)}
    assert rows.keys() == {*(a["answer_id"] for a in told), search["answer_id"]}
    first = rows[told[0]["answer_id"]]
    assert json.loads(first["outputs"]) == {"labels": {told[0]["label"]: told[0]["confidence"]}}
    assert (first["token"], first["version"], first["modalities"]) == ("shop", 3, '["text"]')
    assert (first["payload"], first["abstained"]) == (None, told[0]["abstained"])
    assert 0 < first["seconds"] < 60
    hits = json.loads(rows[search["answer_id"]]["outputs"])["hits"]
    assert hits == [{"id": h["id"], "score": h["score"]} for h in search["hits"]]


def test_payloads_are_kept_where_they_are_asked_for(answers, database):
    with serving(answers, database, log_payloads=True) as client:
        classify(client, {"text": "ring"})
    assert payloads.read(logged(database)[0]["payload"]) == {"text": "ring"}


def test_an_answer_is_judged_at_once(client, database):
    told = classify(client, {"text": "ring"})[0]
    body = {"answer_id": told["answer_id"], "label": "something new", "note": "odd"}
    first, again = (client.post("/v1/feedback", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    (given,) = Feedback(database).all()
    assert given.id == first.json()["feedback_id"]
    assert (given.labels, given.unknown, given.token) == (
        ["something new"], ["something new"], "shop",
    )  # fmt: skip


def test_hits_and_records_are_judged(client, database):
    found = client.post("/v1/search", json={"query": {"text": "ring"}, "k": 2}).json()
    ids = [hit["id"] for hit in found["hits"]]
    judged = {"answer_id": found["answer_id"], "relevant": {ids[0]: True, ids[1]: False}}
    assert client.post("/v1/feedback", json=judged).status_code == 201
    label = client.get("/v1/model").json()["classes"][0]
    of_record = client.post("/v1/feedback", json={"record_id": ids[0], "label": label})
    assert of_record.status_code == 201
    by_item = {g.answer or g.record: g for g in Feedback(database).all()}
    assert by_item[found["answer_id"]].relevant == judged["relevant"]
    assert (by_item[ids[0]].labels, by_item[ids[0]].unknown) == ([label], [])


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "answer_id"),
        ({"answer_id": "a", "record_id": "b", "label": "x"}, 422, "answer_id"),
        ({"answer_id": "a", "label": "x"}, 404, "answer_id"),
        ({"answer_id": "0" * 26, "label": "x"}, 404, "answer_id"),
        ({"record_id": "none", "label": "x"}, 404, "record_id"),
        ({"record_id": "\0", "label": "x"}, 422, "record_id"),
        ({"answer_id": "\0", "label": "x"}, 422, "answer_id"),
        ({"answer_id": "a", "label": "\ud800"}, 422, "label"),
        ({"answer_id": "a", "labels": ["\0"]}, 422, "labels.0"),
        ({"answer_id": "a", "note": "a\0"}, 422, "note"),
        ({"answer_id": "a"}, 422, "body"),
        ({"answer_id": "a", "labels": ["x"]}, 422, "labels"),
        ({"answer_id": "a", "label": ""}, 422, "label"),
        ({"answer_id": "a", "label": "x" * 1001}, 422, "label"),
        ({"answer_id": "a", "relevant": {}}, 422, "relevant"),
        ({"answer_id": "a", "relevant": {"r": "yes please"}}, 422, "relevant.r"),
        ({"answer_id": "a", "label": "x", "note": "n" * 2001}, 422, "note"),
        ({"answer_id": "a", "label": "x", "more": 1}, 422, "more"),
    ],
)
def test_what_cannot_be_judged_names_its_field_and_stores_nothing(
    client, database, body, status, field
):
    found = client.post("/v1/feedback", content=json.dumps(body), headers=JSON)
    assert found.status_code == status
    assert found.json()["problems"][0]["field"] == field
    assert Feedback(database).all() == []


def test_a_store_that_is_gone_is_told_and_answers_go_on(answers, tmp_path, monkeypatch):
    monkeypatch.setattr(AnswerLog, "settle", lambda _: False)  # which waits for seconds
    with Database(tmp_path / "store.sqlite") as database, serving(answers, database) as client:
        told = classify(client, {"text": "ring"})[0]
        database.close()
        for file in tmp_path.glob("store.sqlite*"):
            file.write_bytes(b"damaged" * 1000)
        assert classify(client, {"text": "ring"})
        found = client.post("/v1/feedback", json={"answer_id": told["answer_id"], "label": "x"})
        assert found.status_code == 503
        assert found.headers["Retry-After"]
        assert str(tmp_path) not in found.text


REFUSED = [
    ("GET", "/v1/nothing", None, 404),
    ("POST", "/v1/classify", b"{", 400),
    ("POST", "/v1/classify", b'{"records": [{"image": "AAAA"}]}', 422),
    ("POST", "/v1/classify", b'{"records": [{"nothing": 1}]}', 422),
    ("POST", "/v1/classify", b'{"records": []}', 422),
    ("POST", "/v1/search", b'{"query": {"text": "a"}, "target": "../../etc/passwd"}', 422),
    ("GET", "/v1/records/..%2f..%2fetc%2fpasswd/media/text", None, 404),
    ("GET", "/v1/records/0/media/..%2fmodel.json", None, 404),
    ("PATCH", "/v1/model", None, 405),
    ("POST", "/v1/feedback", b'{"answer_id": "a", "label": "b"}', 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED)
def test_no_refusal_tells_a_path_of_the_machine(client, method, path, body, status):
    found = client.request(method, path, content=body, headers=JSON)
    assert found.status_code == status
    assert not PATHS.search(found.text)
    assert found.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer no"}])
def test_nobody_else_may_ask(answers, database, sent):
    with serving(answers, database) as client:
        client.headers.pop("Authorization")
        found = client.post("/v1/classify", content=b"{", headers=sent)
        assert found.status_code == 401
        assert found.json()["problems"][0]["field"] == "header.Authorization"
        assert found.headers["WWW-Authenticate"].startswith("Bearer")
        assert client.get("/readyz").status_code == 200
        assert client.get("/metrics").status_code == 401
    assert logged(database) == []


def test_metrics_tell_what_was_kept_and_who_was_refused(client, database):
    told = classify(client, {"text": "ring"})[0]
    client.post("/v1/feedback", json={"answer_id": told["answer_id"], "label": "x"})
    client.get("/v1/model", headers={"Authorization": "Bearer no"})
    token = Tokens(database).new("admin", ["admin"])
    client.app._guard.refresh()
    text = client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
    assert 'concord_feedback_total{kind="label"} 1.0' in text
    assert 'concord_denied_total{status="401"} 1.0' in text
    assert "concord_unlogged_answers_total 0.0" in text


def test_tokens_and_the_refusals_of_every_route_are_described(client):
    described = client.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, methods in described["paths"].items():
        for told in methods.values():
            assert {"401", "403", "429", "503"} <= told["responses"].keys(), path
    assert "201" in described["paths"]["/v1/feedback"]["post"]["responses"]


def test_feedback_is_withdrawn_by_the_link_of_what_gave_it(answers, database):
    with serving(answers, database, access=Access.LOOPBACK) as client:
        del client.headers["Authorization"]
        spec = client.get("/openapi.json").json()
        give = spec["paths"]["/v1/feedback"]["post"]
        (example,) = give["requestBody"]["content"]["application/json"]["schema"]["examples"]
        link = give["responses"]["201"]["links"]["withdraw"]
        ((path, takes),) = [
            (path, known["delete"])
            for path, known in spec["paths"].items()
            if known.get("delete", {}).get("operationId") == link["operationId"]
        ]
        given = client.post("/v1/feedback", json=example).json()["feedback_id"]
        assert takes["parameters"][0]["schema"]["examples"] == [given]
        address = path.format(feedback_id=given)
        assert client.delete(address).json() == {"feedback_id": given}
        assert Feedback(database).all() == []
        again = client.delete(address)
        assert again.status_code == 404
        assert again.json()["problems"][0]["field"] == "feedback_id"
        client.post("/v1/feedback", json=example)
        assert [one.id for one in Feedback(database).all()] == [given]
