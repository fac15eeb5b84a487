"""The client: its token, its patience with a busy endpoint, and what it sends."""

import json

import httpx
import pytest

from components.core.errors import UsageError, UserError
from serving.client import Client, NoEndpoint


class Endpoint:
    """Answers with what it was given, in turn, and keeps the requests."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __call__(self, request):
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else httpx.Response(200, json={"answers": []})

    def client(self, **options):
        return Client("http://there:1", transport=httpx.MockTransport(self), **options)

    @property
    def body(self):
        return json.loads(self.requests[-1].content)


@pytest.fixture
def pauses(monkeypatch):
    found = []
    monkeypatch.setattr("serving.client.time.sleep", found.append)
    return found


def busy(status=429, **headers):
    return httpx.Response(status, headers=headers, json={"message": "later", "problems": []})


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_endpoint_is_asked_again_when_it_says(pauses, status):
    endpoint = Endpoint(busy(status, **{"Retry-After": "3"}), busy(status))
    assert endpoint.client().classify([{"title": "x"}]) == {"answers": []}
    assert pauses == [3.0, 0.5]
    assert len({r.content for r in endpoint.requests}) == 1


def test_it_is_not_waited_for_longer_than_the_client_has_time(pauses):
    endpoint = Endpoint(busy(**{"Retry-After": "30"}))
    with pytest.raises(UserError, match="is busy"):
        endpoint.client(seconds=10).classify([{"title": "x"}])
    assert pauses == []
    assert 0 < int(endpoint.requests[0].headers["X-Concord-Deadline-Ms"]) <= 10_000


def test_the_token_is_that_of_the_argument_or_the_environment(monkeypatch):
    endpoint = Endpoint()
    monkeypatch.setenv("CONCORD_TOKEN", "mine")
    endpoint.client().model()
    endpoint.client(token="other").model()  # noqa: S106
    endpoint.client(token="").model()
    sent = [r.headers.get("Authorization") for r in endpoint.requests]
    assert sent == ["Bearer mine", "Bearer other", None]
    with pytest.raises(UsageError, match="not one word"):
        endpoint.client(token="a\nb")  # noqa: S106


def test_a_missing_token_is_told_with_the_remedy():
    refused = httpx.Response(401, json={"message": "no token", "problems": []})
    with pytest.raises(UserError, match=r"no token; set CONCORD_TOKEN"):
        Endpoint(refused).client().model()


def test_nothing_there_has_an_error_of_its_own():
    with pytest.raises(NoEndpoint, match="concord serve"):
        Client("http://127.0.0.1:9").model()


def test_a_search_is_sent_with_all_that_the_endpoint_takes():
    endpoint = Endpoint()
    endpoint.client().search(
        target="image", k=5, like=[{"query": {"image": b"\x00"}, "weight": 2}, {"id": "a"}],
        unlike=[{"id": "b"}], filter={"not": {"field": "label", "in": ["x"]}}, hubness=True,
    )  # fmt: skip
    assert endpoint.body == {
        "target": "image", "by": None, "k": 5,
        "like": [{"query": {"image": "AA=="}, "weight": 2}, {"id": "a"}],
        "unlike": [{"id": "b"}],
        "filter": {"not": {"field": "label", "in": ["x"]}}, "hubness": True,
    }  # fmt: skip


def test_records_are_written_read_and_deleted_by_their_id():
    endpoint = Endpoint()
    client = endpoint.client()
    client.upsert("a/b", {"title": "x"}, label="cross")
    assert endpoint.body == {"record": {"title": "x"}, "label": "cross"}
    client.get("a/b")
    client.upsert_all([{"id": "a", "record": {"image": b"\x00"}}])
    assert endpoint.body == {"records": [{"id": "a", "record": {"image": "AA=="}}]}
    client.delete(["a"])
    client.feedback("answer", label="line", item=2)
    assert endpoint.body == {"answer_id": "answer", "label": "line", "item": 2}
    client.withdraw("0a")
    client.review(3)
    assert [(r.method, r.url.raw_path.decode()) for r in endpoint.requests] == [
        ("PUT", "/v1/records/a%2Fb"),
        ("GET", "/v1/records/a%2Fb"),
        ("POST", "/v1/records"),
        ("POST", "/v1/records/delete"),
        ("POST", "/v1/feedback"),
        ("DELETE", "/v1/feedback/0a"),
        ("GET", "/v1/review?k=3"),
    ]


@pytest.mark.parametrize("method", ["classify", "embed"])
def test_one_record_in_the_place_of_a_list_is_refused_in_one_sentence(method):
    with pytest.raises(UsageError, match=r"got one record, wanted a list; .*\[record\]"):
        getattr(Endpoint().client(), method)({"title": "x"})
