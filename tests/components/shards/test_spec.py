"""A task in parts: ranges of rows, and the spec that pods read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.prediction.block import BLOCK
from components.shards.cut import media_in_store
from components.shards.spec import ShardSpec, bounds


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 5_000),
    shards=st.integers(1, 200),
    chunk=st.sampled_from([64, 128, 512, 2048]),
)
def test_ranges_cover_all_rows_once_in_whole_chunks_or_blocks(rows, shards, chunk):
    found = bounds(rows, shards, chunk)
    assert [row for start, stop in found for row in range(start, stop)] == list(range(rows))
    unit = chunk if rows > chunk * (shards - 1) else BLOCK
    assert all(start < stop and start % unit == 0 for start, stop in found)
    assert len(found) == min(shards, -(-rows // unit))
    sizes = [-(-(stop - start) // unit) for start, stop in found]
    assert max(sizes) - min(sizes) <= 1


def test_a_spec_survives_json_and_its_digest_knows_contents_not_places(whole):
    spec = whole[0]
    assert ShardSpec.model_validate_json(spec.model_dump_json()) == spec
    moved = spec.model_copy(update={"media": "s3://elsewhere/data"})
    assert moved.digest() == spec.digest()
    assert (
        spec.model_copy(update={"source": {"accepted": "0", "data": "1"}}).digest() != spec.digest()
    )


def test_parts_that_leave_out_rows_are_no_spec(whole):
    tree = whole[0].model_dump(mode="json")
    del tree["parts"][1]
    with pytest.raises(ValueError, match="rows 128 to 192 of 240"):
        ShardSpec.model_validate_json(json.dumps(tree))


def test_only_an_exchange_in_s3_lets_pods_read_media_in_s3_themselves():
    assert media_in_store("s3://bucket/data", "s3://bucket/exchange") == "s3://bucket/data"
    assert media_in_store("s3://bucket/data", "/mnt/exchange") is None
    assert media_in_store("/data", "s3://bucket/exchange") is None
