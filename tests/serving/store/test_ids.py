"""Ids sort by time."""

import pytest

from serving.store.ids import made_at, new_id


def test_ids_sort_by_time_and_are_all_different():
    times = [n * 0.001 + 1_700_000_000 for n in range(2000)]
    ids = [new_id(time) for time in times]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert len({new_id(1.0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("seconds", [0.0, 1.5, 1_764_275_000.123, 2.0**37])
def test_an_id_tells_its_millisecond(seconds):
    assert made_at(new_id(seconds)) == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize("text", ["", "x" * 26, "0" * 25, "0" * 27, "A" * 26, "\0" * 26])
def test_another_text_is_no_id(text):
    assert made_at(text) is None
