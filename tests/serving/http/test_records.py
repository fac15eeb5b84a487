"""Searches, records and forms over HTTP, and that every example of the OpenAPI document runs."""

import base64
import json
import re
import threading
from urllib.parse import quote

import pytest

from components.prediction.predictor import Predictor
from serving.interface.limits import Limits
from serving.live.answers import Answers
from serving.live.records import Records
from serving.store.database import Database
from serving.store.journal import RecordsJournal
from tests import served, synthetic
from tests.composed import with_composer
from tests.packaged import packed

SPARE = synthetic.records(12, seed=9)
WHOLE = next(r for r in map(SPARE.raw, range(12)) if len(r) == 3)


def sent(record):
    return {
        k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in record.items()
    }


@pytest.fixture
def records(tmp_path):
    with Database(tmp_path / "store.sqlite") as database:
        yield Records(RecordsJournal(database, "tiny"))


def answers_of(records, version=1):
    limits = Limits.read(packed().package)
    return Answers.load(
        packed().package, limits=limits, name="tiny", version=version, records=records
    )


@pytest.fixture
def client(records):
    with served.client(answers_of(records), raise_server_exceptions=False) as client:
        yield client


def found(client, **ask):
    response = client.post("/v1/search", json=ask)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_record_is_found_shown_replaced_and_deleted(client):
    put = client.put("/v1/records/a%2Fb", json={"record": sent(WHOLE), "label": "line"}).json()
    assert (put["id"], put["created"], put["index"]["through"]) == ("a/b", True, 1)
    got = client.get("/v1/records/a%2Fb").json()
    assert (got["label"], got["modalities"]) == ("line", ["facts", "image", "text"])
    assert got["fields"]["facts"] == {k: v for k, v in WHOLE["facts"].items() if v is not None}
    assert client.get(got["media"]["text"]).text == WHOLE["text"]
    assert client.get(got["media"]["image"]).headers["content-type"] == "image/png"
    answer = found(client, query=sent(WHOLE), k=1, filter={"field": "id", "in": ["a/b"]})
    assert (answer["hits"][0]["id"], answer["index"]["through"]) == ("a/b", 1)
    assert answer["hits"][0]["score"] == pytest.approx(1, abs=1e-4)
    again = client.put("/v1/records/a%2Fb", json={"record": {"text": "bar"}}).json()
    assert (again["created"], again["index"]["through"]) == (False, 2)
    assert client.get("/v1/records/a%2Fb").json()["label"] is None
    assert client.delete("/v1/records/a%2Fb").json()["deleted"] == 1
    for response in (client.get("/v1/records/a%2Fb"), client.delete("/v1/records/a%2Fb")):
        assert response.status_code == 404
        assert response.json()["problems"][0]["field"] == "id"
    assert client.get("/v1/model").json()["records"] == 200


def test_many_are_written_or_none(client):
    texts = [{"id": f"n{i}", "record": {"text": f"ring {i}"}} for i in range(4)]
    assert client.post("/v1/records", json={"records": texts}).json()["written"] == 4
    bad = [*texts[:2], {"id": "m", "record": {"image": "AAAA"}}]
    response = client.post("/v1/records", json={"records": bad})
    assert response.json()["problems"][0]["field"] == "records.2.record.image"
    response = client.post("/v1/records", json={"records": [texts[0], texts[0]]})
    assert response.json()["problems"][0]["field"] == "records.1.id"
    assert client.get("/v1/model").json()["records"] == 204
    deleted = client.post("/v1/records/delete", json={"ids": ["n0", "n1", "nobody"]}).json()
    assert (deleted["deleted"], deleted["index"]["through"]) == (2, 6)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("a", {"record": {}}, "record"),
        ("a", {"record": {"text": "a"}, "label": "circel"}, "label"),
        ("a", {"record": {"facts": {"weight": "x"}}}, "record.facts.weight"),
        ("a%00b", {"record": {"text": "a"}}, "path.record_id"),
        ("x" * 201, {"record": {"text": "a"}}, "path.record_id"),
        ("%2E%2E%2Fa%2Fmedia%2Ftext", {"record": {"text": "a"}}, "path.record_id"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_by_field(client, path, body, field):
    response = client.put(f"/v1/records/{path}", json=body)
    assert response.status_code == 422
    assert response.json()["problems"][0]["field"] == field
    assert client.get("/v1/model").json()["records"] == 200


@pytest.mark.parametrize("name", [".", "..", "a/media/text", "a/media/", "a\n", "\u202e"])
def test_an_id_that_no_address_names_is_not_written(client, name):
    body = {"records": [{"id": name, "record": {"text": "a"}}]}
    response = client.post("/v1/records", json=body)
    (problem,) = response.json()["problems"]
    assert (response.status_code, problem["field"]) == (422, "records.0.id")
    assert problem["wanted"].startswith("an id ")


@pytest.mark.parametrize("name", ["...", "a/../b", "/a/", "media/text", "a/media/b/c", " ", "é😀"])
def test_an_id_of_any_letters_is_written_shown_and_deleted(client, name):
    body = {"records": [{"id": name, "record": {"text": "a"}}]}
    assert client.post("/v1/records", json=body).status_code == 200
    path = f"/v1/records/{quote(name, safe='')}"
    got = client.get(path).json()
    assert got["id"] == name
    assert client.get(got["media"]["text"]).text == "a"
    assert client.delete(path).json()["deleted"] == 1


def test_more_like_this_and_pages(client):
    whole = found(client, id="r0003", k=30)
    first = found(client, id="r0003", k=10)
    second = found(client, id="r0003", k=20, after=first["next"])
    assert [h["id"] for h in first["hits"] + second["hits"]] == [h["id"] for h in whole["hits"]]
    assert "r0003" not in [h["id"] for h in whole["hits"]]
    client.put("/v1/records/new", json={"record": {"text": "ring"}})
    assert found(client, id="r0003", after=first["next"])["changed"]


def test_explained_searches_and_answers(client):
    hits = found(client, like=[{"query": {"text": "ring"}, "weight": 2}], explain=True)["hits"]
    assert all(set(hit["scores"]) == set(hit["media"]) for hit in hits)
    body = {"records": [sent(WHOLE)], "explain": True}
    (answer,) = client.post("/v1/classify", json=body).json()["answers"]
    assert set(answer["contributions"]) == {"facts", "image", "text"}
    for said in answer["contributions"].values():
        assert said["probability"] <= said["confidence"] + 1e-9
        assert (said["probability"] == said["confidence"]) == (said["label"] == answer["label"])


def test_a_search_says_whether_the_composer_or_the_sum_made_its_query(tmp_path, records):
    package = with_composer(tmp_path / "package")
    limits = Limits.read(package)
    answers = Answers.load(package, limits=limits, name="tiny", version=1, records=records)
    like = [{"query": {"image": sent(WHOLE)["image"]}}, {"query": {"text": "ring"}}]
    heavy = [{**like[0], "weight": 2}, like[1]]
    with served.client(answers, raise_server_exceptions=False) as client:
        ask = {"target": "image", "explain": True}
        assert found(client, like=like, **ask)["composed"] == "composer"
        assert found(client, like=heavy, **ask)["composed"] == "sum"
        assert found(client, like=like, unlike=[like[1]], **ask)["composed"] == "sum"
        assert found(client, like=like[:1], **ask)["composed"] is None
        assert found(client, like=like, target="image")["composed"] is None


def test_embeddings_are_those_of_the_model(client):
    body = client.post("/v1/embed", json={"records": [sent(WHOLE), {"text": "ring"}]}).json()
    wanted = Predictor.load(packed().package, verify=False).classifier.embed(WHOLE)
    assert body["dim"] == 16
    assert set(body["embeddings"][0]) == set(wanted)
    assert set(body["embeddings"][1]) == {"text", "fused"}
    for name, vector in wanted.items():
        assert body["embeddings"][0][name] == pytest.approx(vector.tolist(), abs=1e-5)


def said(response):
    """Answers without what names each of them."""
    return [{k: v for k, v in a.items() if k != "answer_id"} for a in response.json()["answers"]]


def test_a_form_means_the_same_as_json(client):
    parts = {"text": WHOLE["text"], "facts": json.dumps(WHOLE["facts"])}
    media = {"image": ("a.png", WHOLE["image"], "image/png")}
    plain = said(client.post("/v1/classify", json={"records": [sent(WHOLE)]}))
    assert said(client.post("/v1/classify", data=parts, files=media)) == plain
    two = said(client.post("/v1/classify", json={"records": [{"text": "ring"}, {"text": "bar"}]}))
    numbered = [("0.text", (None, "ring")), ("1.text", (None, "bar"))]
    assert said(client.post("/v1/classify", files=numbered)) == two
    ask = {"k": "3", "target": "text", "filter": '{"labels": ["line"]}', "explain": "true"}
    hits = client.post("/v1/search", data=ask, files=media).json()["hits"]
    wanted = found(client, query=sent({"image": WHOLE["image"]}), k=3, target="text",
                   filter={"labels": ["line"]}, explain=True)["hits"]  # fmt: skip
    assert hits == wanted
    put = client.put("/v1/records/form", data={**parts, "label": "line"}, files=media)
    assert put.json()["created"]
    assert client.get("/v1/records/form").json()["label"] == "line"
    many = [("0.id", (None, "f0")), ("0.text", (None, "a")), ("1.id", (None, "f1")),
            ("1.image", ("b.png", WHOLE["image"]))]  # fmt: skip
    assert client.post("/v1/records", files=many).json()["written"] == 2
    assert client.get("/v1/records/f1").json()["modalities"] == ["image"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"no form", "body"),
        (b"", "records"),
        (b'--b\r\nContent-Disposition: form-data; name="facts"\r\n\r\n{\r\n--b--\r\n', "facts"),
        (b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\r\n--b--\r\n', "text"),
        (b'--b\r\nContent-Disposition: form-data; name="3.text"\r\n\r\na\r\n--b--\r\n', "records"),
        (b'--b\r\nContent-Disposition: form-data; name="sound"\r\n\r\na\r\n--b--\r\n', "sound"),
        (b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\na\r\n--b--\r\n',
         "records.0.image"),
    ],
)  # fmt: skip
def test_a_form_that_is_wrong_is_refused_by_part(client, content, field):
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = client.post("/v1/classify", content=content, headers=headers)
    assert response.status_code == 422, response.text
    assert field in [p["field"] for p in response.json()["problems"]]
    assert client.post("/v1/classify", content=content, headers={
        "content-type": "multipart/form-data"}).status_code == 422  # fmt: skip


def test_a_form_of_many_parts_is_refused(client):
    part = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\na\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = client.post("/v1/classify", content=part * 5000 + b"--b--", headers=headers)
    assert response.status_code == 413


def test_the_queue_over_http(client):
    items = client.get("/v1/review", params={"k": 5}).json()["items"]
    assert len(items) == 5
    for item in items:
        assert client.get(f"/v1/records/{item['id']}").json()["votes"] == item["votes"]
        assert client.get(next(iter(item["media"].values()))).status_code == 200
    assert client.get("/v1/review", params={"k": 0}).status_code == 422


def test_a_unit_that_is_loaded_while_others_write_has_every_acknowledged_write(records):
    """Two versions: what one acknowledges, the other one finds at once."""
    old, stop, acknowledged = answers_of(records), threading.Event(), []

    def write(client):
        n = 0
        while not stop.is_set():
            record = {"record": {"text": f"ring {n}"}}
            assert client.put(f"/v1/records/w{n}", json=record).status_code == 200
            acknowledged.append(f"w{n}")
            n += 1

    with served.client(old) as client:
        writer = threading.Thread(target=write, args=(client,))
        writer.start()
        new = answers_of(records, version=2)
        for _ in range(20):
            known = list(acknowledged)
            assert all(record in new.predictor.collection for record in known)
        stop.set()
        writer.join()
        assert acknowledged
    assert new.predictor.collection.written() == old.predictor.collection.written()


def test_another_replica_finds_what_was_written_after_a_look(records, client):
    other = Records(records.journal)
    there = answers_of(other)
    client.put("/v1/records/a", json={"record": {"text": "ring"}})
    other.look()
    assert "a" in there.predictor.collection


def examples(spec):
    """Method, address and body of each example of an OpenAPI document."""
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            address = path
            for parameter in operation.get("parameters", []):
                given = parameter["schema"].get("examples") or parameter.get("examples")
                if parameter["in"] == "path":
                    address = address.replace(f"{{{parameter['name']}}}", given[0])
            content = operation.get("requestBody", {}).get("content", {})
            if not content:
                yield method, address, None
                continue
            name = content["application/json"]["schema"]["$ref"].split("/")[-1]
            for body in spec["components"]["schemas"][name]["examples"]:
                yield method, address, body


def test_every_example_of_the_document_runs(client):
    spec = client.get("/openapi.json").json()
    assert set(spec["paths"]) == {
        "/v1/classify", "/v1/embed", "/v1/search", "/v1/model", "/v1/review", "/v1/records",
        "/v1/records/delete", "/v1/records/{record_id}",
        "/v1/records/{record_id}/media/{modality}",
    }  # fmt: skip
    order = ["post", "put", "get", "delete"]
    ran = sorted(examples(spec), key=lambda e: (order.index(e[0]), e[1]))
    for method, address, body in ran:
        response = client.request(method, address, json=body)
        assert response.status_code == 200, (method, address, body, response.text)
    assert len(ran) >= 11
    for operations in spec["paths"].values():
        for operation in operations.values():
            assert operation["description"]
    assert not re.search("HTTPValidationError", json.dumps(spec))


def test_a_method_that_an_address_lacks_is_told_with_all_that_it_has(client):
    response = client.request("OPTIONS", "/v1/records/r0000")
    assert response.status_code == 405
    assert response.headers["allow"] == "DELETE, GET, PUT"
