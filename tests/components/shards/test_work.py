"""An index goes on where an earlier attempt ended, and says what it cannot reach."""

import errno

import pytest

from components.core.refs import digest_folder
from components.exchange.errors import ExchangeError
from components.exchange.exchange import Exchange
from components.shards import work
from components.shards.accounting import results
from components.shards.work import run_index
from tests.components.shards.in_parts import JOB, RECORDS, encode_plan, joined, run_all


class _StopError(Exception):
    pass


def test_an_index_that_was_killed_goes_on_with_the_chunks_it_lacks(data, tmp_path, monkeypatch):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = encode_plan(data, 1).cut(exchange, tmp_path / "scratch")
    once, seen = work.Encode.chunk, []

    def counted(self, records, out):
        if len(seen) == 2:
            raise _StopError
        seen.append(records["id"][0].as_py())
        once(self, records, out)

    monkeypatch.setattr(work.Encode, "chunk", counted)
    with pytest.raises(_StopError):
        run_index(spec, 0, exchange=exchange, job=JOB, attempt="first", cache=tmp_path / "a")
    assert results(exchange, JOB, {}, tmp_path / "scratch") == []
    seen.clear()
    monkeypatch.setattr(
        work.Encode,
        "chunk",
        lambda self, records, out: (seen.append(len(records)), once(self, records, out)),
    )
    figures = run_index(spec, 0, exchange=exchange, job=JOB, attempt="second", cache=tmp_path / "b")
    assert figures == {"rows": RECORDS, "chunks": 4, "resumed": 2}
    assert seen == [64, 48]
    assert digest_folder(joined(spec, exchange, data, tmp_path)) == digest_folder(data / "features")


def test_a_chunk_without_its_listing_is_done_again(data, tmp_path):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = encode_plan(data, 1).cut(exchange, tmp_path / "scratch")
    run_all(spec, exchange, tmp_path, "first")
    next(
        (tmp_path / "exchange" / "jobs" / work.chunk_job(JOB, 0) / "attempts").glob("64-*.json")
    ).unlink()
    (again,) = run_all(spec, exchange, tmp_path, "second")
    assert again["resumed"] == 3


def test_media_that_a_pod_cannot_reach_are_no_bug_of_the_code(data, tmp_path, monkeypatch):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = (
        encode_plan(data, 1)
        .cut(exchange, tmp_path / "scratch")
        .model_copy(update={"media": "s3://bucket/data"})
    )

    def refused(_, uri):
        raise PermissionError(f"403 Forbidden: {uri}")

    with monkeypatch.context() as patch:
        patch.setattr("components.data.media.Media.__init__", refused)
        with pytest.raises(
            ExchangeError, match=r"cannot read s3://bucket/data: PermissionError.*trainer\.secrets"
        ):
            run_all(spec, exchange, tmp_path)

    def lost(*_):
        raise ConnectionResetError("in the middle")

    spec = spec.model_copy(update={"media": str(data / "data")})
    with monkeypatch.context() as patch:
        patch.setattr("components.data.media.Media.fetch", lost)
        with pytest.raises(ExchangeError, match=r"cannot read .*/data: ConnectionResetError"):
            run_all(spec, exchange, tmp_path)
    run_all(spec, exchange, tmp_path)
    assert digest_folder(joined(spec, exchange, data, tmp_path)) == digest_folder(data / "features")


def test_an_error_of_the_local_disk_is_not_blamed_on_the_media(data, tmp_path, monkeypatch):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = (
        encode_plan(data, 1)
        .cut(exchange, tmp_path / "scratch")
        .model_copy(update={"media": str(data / "data")})
    )

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("components.features.encode.FeaturesWriter", full)
    with pytest.raises(OSError, match="No space left"):
        run_all(spec, exchange, tmp_path)
