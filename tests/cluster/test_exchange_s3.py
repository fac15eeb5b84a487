"""The exchange over a real S3 server."""

import uuid

import pytest
import s3fs
import torch

from components.core.refs import digest_folder
from components.exchange.errors import ExchangeError
from components.exchange.exchange import Exchange
from components.pods.checkpoints import Fenced
from components.training.checkpoint import Checkpoint
from tests.cluster.s3_server import serving

pytestmark = pytest.mark.cluster


@pytest.fixture
def exchange(s3, monkeypatch):
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    return Exchange(s3.uri(uuid.uuid4().hex), waits=(1.0,))


@pytest.fixture
def folder(tmp_path):
    """A file large enough for a multipart upload, an empty one and a deeply nested one."""
    made = tmp_path / "folder"
    for name, data in {
        "large.bin": bytes(range(256)) * 250_000,
        "a.txt": b"a",
        "a-b": b"",
        "c/d/e": b"e",
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    return made


def test_objects_attempts_and_checkpoints_come_back_as_they_went(exchange, folder, tmp_path):
    exchange.check()
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)
    assert exchange.put(folder, digest) == uri
    assert digest_folder(exchange.fetch(uri, digest, tmp_path / "cache")) == digest
    exchange.put_attempt("job", "one", folder, {"steps": 3})
    assert [(a.token, a.about["steps"]) for a in exchange.attempts("job")] == [("one", 3)]
    exchange.fetch_attempt("job", "one", tmp_path / "out")
    assert digest_folder(tmp_path / "out") == digest
    for token, step in (("old", 4), ("older", 2)):
        state = {"w": torch.full((3,), float(step))}
        Fenced(exchange, "job", token).write(
            "m", Checkpoint(epoch=0, step=step, history=[], state=state), "k"
        )
    found = Fenced(exchange, "job", "new").read("m", "k")
    assert (found.step, found.state["w"].tolist()) == (4, [4.0] * 3)


def test_damage_in_the_store_is_seen_and_mended(exchange, folder, tmp_path):
    digest = digest_folder(folder)
    uri = exchange.put(folder, digest)
    exchange.write(f"objects/{digest}/a.txt", b"z")
    with pytest.raises(ExchangeError, match="its listing was removed"):
        exchange.fetch(uri, digest, tmp_path / "cache")
    exchange.put(folder, digest)
    assert digest_folder(exchange.fetch(uri, digest, tmp_path / "cache")) == digest


def test_what_is_deleted_is_gone_and_what_is_not_there_is_no_error(exchange, folder):
    exchange.put_attempt("job", "one", folder, {})
    exchange.remove("jobs/job/attempts/one.json")
    assert exchange.attempts("job") == []
    exchange.remove_job("job")
    assert exchange.names("jobs/job") == []
    exchange.remove_job("job")


def test_what_cannot_be_reached_is_said_in_time(exchange, monkeypatch, tmp_path):
    with pytest.raises(ExchangeError, match="nothing at"):
        Exchange(f"s3://no-{uuid.uuid4().hex}/x", waits=()).check()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(ExchangeError, match="rights or credentials"):
        Exchange(exchange.uri, waits=(1.0,)).names("jobs")
    with serving("127.0.0.1", tmp_path) as gone:
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", gone.endpoint)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(ExchangeError, match="Could not connect"):
        Exchange(exchange.uri, waits=()).check()
