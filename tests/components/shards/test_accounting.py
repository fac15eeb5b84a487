"""Incomplete, double and foreign parts are never joined."""

import pytest

from components.core.errors import UserError
from components.core.refs import digest_folder
from components.exchange.exchange import Exchange
from components.shards.accounting import accounted, folders, results
from tests.components.shards.in_parts import JOB, encode_plan, run_all


def test_missing_double_and_foreign_parts_are_refused_all_at_once(whole):
    spec, _, parts = whole
    foreign = parts[2].model_copy(update={"spec": "f" * 64})
    with pytest.raises(UserError) as caught:
        accounted(spec, [parts[0], parts[0], foreign])
    message = str(caught.value)
    for said in (
        "the 240 rows",
        "part 0 is there 2 times",
        "part 1 (rows 128 to 191) is missing",
        "part 2 (rows 192 to 239) is missing",
        "part 2 is of another task",
        "Nothing was joined",
    ):
        assert said in message


def test_rows_missing_or_double_within_a_part_are_refused(whole):
    spec, _, parts = whole
    short = parts[0].model_copy(update={"chunks": parts[0].chunks[:1]})
    with pytest.raises(UserError, match="part 0: ends with row 63, wanted 127"):
        accounted(spec, [short, *parts[1:]])
    twice = parts[0].model_copy(update={"chunks": [parts[0].chunks[0], *parts[0].chunks]})
    with pytest.raises(UserError, match="part 0: rows 0 to 63 are double"):
        accounted(spec, [twice, *parts[1:]])
    hole = parts[0].model_copy(update={"chunks": parts[0].chunks[1:]})
    with pytest.raises(UserError, match="part 0: rows 0 to 63 are missing"):
        accounted(spec, [hole, *parts[1:]])


def test_a_chunk_that_is_not_what_its_part_said_is_refused(whole, tmp_path):
    spec, exchange, parts = whole
    index, chunk = accounted(spec, parts)[0]
    with pytest.raises(UserError, match="rows 0 to 63: got content"):
        next(
            folders(
                exchange, JOB, [(index, chunk.model_copy(update={"digest": "0" * 64}))], tmp_path
            )
        )


def test_the_result_of_the_pod_that_succeeded_is_taken_and_a_zombie_writes_apart(data, tmp_path):
    exchange = Exchange(str(tmp_path / "exchange"))
    spec = encode_plan(data, 1).cut(exchange, tmp_path / "scratch")
    run_all(spec, exchange, tmp_path, "living")
    before = digest_folder(tmp_path / "exchange" / "jobs" / JOB / "attempts" / "0-living")
    run_all(spec, exchange, tmp_path, "zombie")
    assert digest_folder(tmp_path / "exchange" / "jobs" / JOB / "attempts" / "0-living") == before
    assert len(results(exchange, JOB, {0: "living"}, tmp_path / "scratch")) == 1
