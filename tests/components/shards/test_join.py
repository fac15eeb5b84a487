"""Encoding in parts equals one process."""

from dataclasses import replace

import pytest

from components.core.errors import UserError
from components.core.refs import digest_folder
from components.exchange.exchange import Exchange
from components.features.encode import encode
from components.prediction.block import BLOCK
from components.shards.accounting import accounted, folders, results
from components.shards.join import join_features
from tests import synthetic
from tests.behaviour import own_parts
from tests.components.shards.in_parts import JOB, RECORDS, encode_plan, joined, run_all


@pytest.mark.parametrize(("shards", "chunk"), [(1, 64), (2, 128), (3, 64), (50, 2048)])
def test_parts_join_to_the_bytes_that_one_process_writes(data, tmp_path, shards, chunk):
    exchange = Exchange(str(tmp_path / "exchange"))
    plan = encode_plan(data, shards, chunk)
    spec = plan.cut(exchange, tmp_path / "scratch")
    assert spec.digest() == plan.digest()
    assert len(spec.parts) == plan.count == min(shards, -(-RECORDS // BLOCK))
    figures = run_all(spec, exchange, tmp_path)
    assert sum(f["rows"] for f in figures) == RECORDS
    assert digest_folder(joined(spec, exchange, data, tmp_path)) == digest_folder(data / "features")


def test_parts_in_another_order_are_noticed_by_their_ids(whole, data, tmp_path):
    spec, exchange, parts = whole
    chunks = accounted(spec, parts)
    chunks[0], chunks[1] = chunks[1], chunks[0]
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="got record 'r0064' where 'r0000' was wanted"):
        join_features(
            accepted=data / "accepted",
            modalities=synthetic.OPTIONS,
            chunks=folders(exchange, JOB, chunks, tmp_path),
            out=tmp_path / "out",
        )


def test_pods_with_another_decoder_are_refused(whole, data, tmp_path, monkeypatch):
    spec, exchange, parts = whole
    monkeypatch.setattr("components.parts.kinds.image.VERSION", 999)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="'image' was encoded by other code"):
        join_features(
            accepted=data / "accepted",
            modalities=synthetic.OPTIONS,
            chunks=folders(exchange, JOB, accounted(spec, parts), tmp_path),
            out=tmp_path / "out",
        )


def test_a_users_own_encoder_travels_with_the_parts(data, tmp_path):
    mine = tmp_path / "conf" / "letters.py"
    mine.parent.mkdir()
    mine.write_text(own_parts.text("encoders"))
    options = {"text": {"encoders": ["./letters.py"]}}
    plan = replace(encode_plan(data, 2), modalities=options, base=mine.parent)
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = plan.cut(exchange, tmp_path / "scratch")
    mine.unlink()  # pods do not see it
    run_all(spec, exchange, tmp_path)
    mine.write_text(own_parts.text("encoders"))
    chunks = accounted(spec, results(exchange, JOB, {}, tmp_path))
    for name in ("joined", "alone"):
        (tmp_path / name).mkdir()
    given = {"accepted": data / "accepted", "modalities": options, "base": mine.parent}
    pieces = folders(exchange, JOB, chunks, tmp_path, plan.code())
    join_features(chunks=pieces, out=tmp_path / "joined", **given)
    cache = tmp_path / "cache"
    encode(data_uri=str(data / "data"), cache=cache, out=tmp_path / "alone", **given)
    assert digest_folder(tmp_path / "joined") == digest_folder(tmp_path / "alone")
