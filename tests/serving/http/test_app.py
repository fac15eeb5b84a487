"""The HTTP interface over a real package, without BentoML: answers, refusals, limits."""

import base64
import json
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.prediction.predictor import Predictor
from serving.interface.limits import Limits
from serving.live.answers import Answers
from tests import served
from tests.packaged import MAX_BATCH, METRICS, packed
from tests.synthetic import CLASSES


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(packed().package)


@pytest.fixture(scope="module")
def limits():
    return Limits.read(packed().package)


@pytest.fixture(scope="module")
def answers(predictor, limits):
    return Answers(predictor, limits=limits, name="tiny", version=7)


@pytest.fixture(scope="module")
def client(answers):
    with served.client(answers, raise_server_exceptions=False) as client:
        yield client


def sent(record):
    return {
        k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in record.items()
    }


def refused(response, status, field):
    body = response.json()
    assert response.status_code == status, body
    assert response.headers["content-type"] == "application/json"
    assert body["problems"], body
    problem = body["problems"][0]
    assert problem["field"] == field, body
    assert problem["got"]
    assert problem["wanted"]
    assert "Traceback" not in response.text
    return problem


def test_classify_answers_as_the_predictor_does_for_every_subset(client, predictor):
    whole = next(r for r in map(packed().source.raw, range(200)) if len(r) == 3)
    subsets = [
        {n: whole[n] for n in names}
        for names in (["image"], ["text"], ["facts"], ["image", "text"], list(whole))
    ]
    body = client.post("/v1/classify", json={"records": [sent(r) for r in subsets]}).json()
    assert body["model"] == {"name": "tiny", "version": 7, "package_digest": predictor.digest}
    for answer, wanted in zip(body["answers"], predictor.predict(subsets), strict=True):
        assert answer["label"] == wanted.label
        assert answer["modalities"] == list(wanted.modalities)
        assert answer["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-6)
        assert answer["confidence"] == pytest.approx(max(answer["probabilities"].values()))


def test_search_finds_in_any_modality_and_its_hits_can_be_shown(client, predictor):
    text = next(t for t in packed().source.raws["text"] if t)
    for target in ("image", "text", "facts", "fused"):
        body = client.post(
            "/v1/search", json={"query": {"text": text}, "target": target, "k": 3}
        ).json()
        assert [h["id"] for h in body["hits"]] == [
            h.id for h in predictor.search({"text": text}, target=target, k=3)
        ]
        for hit in body["hits"]:
            for address in hit["media"].values():
                assert client.get(address).status_code == 200
    filtered = client.post(
        "/v1/search", json={"query": {"text": text}, "filter": {"labels": ["line"]}, "k": 100}
    ).json()
    assert {h["label"] for h in filtered["hits"]} == {"line"}


def test_previews_have_their_type_and_are_not_guessed(client, predictor):
    source = packed().source
    row = next(i for i in range(200) if len(source.raw(i)) == 3)
    record = source.ids[row]
    for modality, kind in [
        ("image", "image/png"),
        ("text", "text/plain; charset=utf-8"),
        ("facts", "application/json"),
    ]:
        response = client.get(f"/v1/records/{record}/media/{modality}")
        wanted = predictor.preview(record, modality)
        assert response.content == (wanted if isinstance(wanted, bytes) else wanted.encode())
        assert response.headers["content-type"] == kind
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]
    absent = next((i, n) for i in range(200) for n in source.raws if source.raws[n][i] is None)
    for address, field in [
        (f"/v1/records/{source.ids[absent[0]]}/media/{absent[1]}", "id"),
        ("/v1/records/nobody/media/image", "id"),
        ("/v1/records/a%2Fb/media/image", "id"),
        (f"/v1/records/{record}/media/imag", "modality"),
    ]:
        refused(client.get(address), 404, field)


def test_the_model_tells_its_limits_and_figures(client, limits):
    body = client.get("/v1/model").json()
    assert (body["name"], body["version"], body["classes"], body["records"]) == (
        "tiny",
        7,
        CLASSES,
        200,
    )
    assert body["targets"] == ["facts", "image", "text", "fused"]
    assert body["metrics"]["accuracy"] == METRICS["accuracy"]
    by_name = {m["name"]: m for m in body["modalities"]}
    assert {name: m["raw"] for name, m in by_name.items()} == {
        "facts": "fields",
        "image": "bytes",
        "text": "text",
    }
    assert by_name["facts"]["columns"] == ["colour", "tags", "weight"]
    assert (
        by_name["image"]["limits"]["max_bytes"] == limits.modalities["image"].options["max_bytes"]
    )
    assert body["max_batch"] == MAX_BATCH


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({}, "records", "this field"),
        ([], "body", "dictionary"),
        ({"records": []}, "records", "at least 1"),
        ({"records": [{"text": "a"}] * (MAX_BATCH + 1)}, "records", f"at most {MAX_BATCH}"),
        ({"records": [{}]}, "records.0", "at least one of facts, image, text"),
        ({"records": [{"text": None}]}, "records.0", "at least one of facts, image, text"),
        ({"records": [{"text": "a"}, {"sound": "a"}]}, "records.1.sound", "/v1/model"),
        ({"records": [{"text": 3}]}, "records.0.text", "string"),
        ({"records": [{"text": "a" * 20_001}]}, "records.0.text", "at most 20,000"),
        ({"records": [{"text": "\ud800"}]}, "records.0.text", "UTF-8"),
        ({"records": [{"image": "no base64!"}]}, "records.0.image", "base64"),
        ({"records": [{"image": "AAAA"}]}, "records.0.image", "PNG"),
        ({"records": [{"text": "a"}, {"image": "AAAA"}]}, "records.1.image", "PNG"),
        ({"records": [{"image": "A" * 27_000_000}]}, "records.0.image", "at most 20,000,000"),
        ({"records": [{"facts": {"wieght": 1}}]}, "records.0.facts.wieght", "weight"),
        ({"records": [{"facts": {"weight": "heavy"}}]}, "records.0.facts.weight", "number"),
        ({"records": [{"facts": 3}]}, "records.0.facts", "dictionary"),
        ({"records": [{"text": "a"}], "more": 1}, "more", "no such field"),
    ],
)  # fmt: skip
def test_a_bad_request_to_classify_names_field_and_limit(client, body, field, says):
    response = client.post(
        "/v1/classify", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert says in refused(response, 422, field)["wanted"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target": "sound"}, "target"),
        ({"k": 0}, "k"),
        ({"k": 101}, "k"),
        ({"k": "many"}, "k"),
        ({"query": {}}, "query"),
        ({"query": {"image": "AAAA"}}, "query.image"),
        ({"by": "image"}, "by"),
        ({"filter": {"labels": ["circel"]}}, "filter.labels"),
        ({"filter": {"labels": []}}, "filter.labels"),
        ({"filter": {"labels": ["line"], "owner": "me"}}, "filter"),
        ({"filter": {"field": "facts.wieght", "at_least": 3}}, "filter.field"),
        ({"filter": {"and": [{"field": "facts.weight", "in": ["x"]}]}}, "filter.and[0].in[0]"),
        ({"filter": {"not": {"field": "label", "in": ["circel"]}}}, "filter.labels"),
        ({"query": None}, "query"),
        ({"query": None, "id": "nobody"}, "id"),
        ({"like": [{"query": {"text": "a"}, "id": "r0000"}]}, "like.0"),
        ({"like": [{"query": {"text": "a"}, "weight": 0}]}, "like.0.weight"),
        ({"unlike": [{"id": "nobody"}]}, "unlike.0.id"),
        ({"unlike": [{"query": {"text": "ring"}, "weight": 5}]}, "unlike"),
        ({"after": "x"}, "after"),
        ({"explain": "yes"}, "explain"),
    ],
)
def test_a_bad_request_to_search_names_field(client, change, field):
    refused(client.post("/v1/search", json={"query": {"text": "ring"}} | change), 422, field)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"records": [{"text": "a"}]} x', b"null"]
)
def test_what_is_no_json_is_refused(client, body):
    response = client.post(
        "/v1/classify", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code in (400, 413, 422)
    refused(response, response.status_code, "body")


def test_json_that_is_not_called_json_and_no_records_say_what_to_send(client):
    form = {"content-type": "application/x-www-form-urlencoded"}  # what curl -d sends by itself
    answer = client.post("/v1/classify", content='{"records": [{"text": "a"}]}', headers=form)
    assert "Content-Type: application/json" in refused(answer, 422, "body")["wanted"]
    answer = client.post("/v1/classify", json={"records": []})
    assert refused(answer, 422, "records")["wanted"] == "at least 1 item"


def test_a_body_that_is_too_large_is_refused_by_its_declared_length_or_by_what_comes(
    client, limits
):
    most = limits.max_request_bytes
    chunks = (b" " * 2**20 for _ in range(most // 2**20 + 2))
    for options in (
        {"headers": {"content-length": str(most + 1)}, "content": b" "},
        {"content": chunks},
    ):
        response = client.post("/v1/classify", **options)
        assert response.status_code == 413, response.text
        assert f"{most:,}" in response.json()["message"]


KEYS = st.sampled_from(["records", "query", "text", "image", "facts", "weight", "tags"])


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_no_request_whatever_makes_an_internal_error(client, body):
    for body_ in (
        body,
        {"records": [body]},
        {"records": [{"facts": body}]},
        {"query": body},
        {"query": {"facts": {"tags": body}}},
    ):
        for path in ("/v1/classify", "/v1/search"):
            response = client.post(
                path, content=json.dumps(body_), headers={"content-type": "application/json"}
            )
            assert response.status_code in (200, 400, 422), (body_, response.text)
            response.json()


def test_where_nobody_writes_there_are_no_routes_to_write(client):
    spec = client.get("/openapi.json").json()
    assert set(spec["paths"]) >= {"/v1/classify", "/v1/embed", "/v1/search", "/v1/review"}
    assert set(spec["paths"]["/v1/records/{record_id}"]) == {"get"}
    assert client.put("/v1/records/a", json={"record": {"text": "a"}}).status_code == 405


def test_a_model_that_computes_does_not_hold_up_the_others(answers, monkeypatch):
    """One request is stuck in the model; another route is answered meanwhile."""
    entered, release = threading.Event(), threading.Event()
    classifier = answers.predictor.classifier
    compute = classifier.answers

    def stuck(records, places):
        entered.set()
        assert release.wait(30)
        return compute(records, places)

    monkeypatch.setattr(classifier, "answers", stuck)
    with served.client(answers) as client:
        slow = threading.Thread(
            target=client.post,
            args=("/v1/classify",),
            kwargs={"json": {"records": [{"text": "a"}]}},
        )
        slow.start()
        assert entered.wait(30)
        started = time.monotonic()
        assert client.get("/v1/model").status_code == 200
        assert time.monotonic() - started < 10
        assert slow.is_alive()
        release.set()
        slow.join(30)


def test_a_fault_of_the_service_is_told_in_the_form_of_a_refusal_without_its_words(
    answers, monkeypatch
):
    def failing(*_, **__):
        raise RuntimeError("/a/place/of/this/machine")

    monkeypatch.setattr(type(answers), "info", failing)
    with served.client(answers, raise_server_exceptions=False) as client:
        response = client.get("/v1/model")
    assert response.status_code == 500
    assert set(response.json()) == {"message", "problems"}
    assert "place" not in response.text


@pytest.mark.parametrize("method", ["TRACE", "DELETE", "BREW"])
def test_a_method_that_is_not_there_is_told_with_those_that_are(client, method):
    response = client.request(method, "/v1/classify")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert set(response.json()) == {"message", "problems"}


def test_a_request_of_two_lengths_is_refused_and_its_connection_closed(client):
    headers = {"Content-Length": "2", "Transfer-Encoding": "chunked"}
    response = client.request("GET", "/v1/model", headers=headers)
    assert (response.status_code, response.headers["connection"]) == (400, "close")
    assert response.json()["problems"][0]["field"] == "header.Content-Length"


def test_a_version_that_does_not_serve_is_a_documented_404(client):
    body = {"records": [{"text": "ring"}]}
    response = client.post("/v1/classify", json=body, headers={"X-Concord-Version": "9"})
    paths = client.get("/openapi.json").json()["paths"]
    assert response.status_code == 404
    assert "404" in paths["/v1/classify"]["post"]["responses"]


def test_nobody_is_sent_to_a_host_that_a_request_names(client):
    response = client.get("/v1/model/", headers={"Host": "elsewhere"}, follow_redirects=False)
    assert response.status_code == 404
