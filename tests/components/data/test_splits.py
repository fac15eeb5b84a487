"""A record's split never changes."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from components.data.manifest import Split
from components.data.splits import assign

KEYS = st.lists(st.text(min_size=1), max_size=40)


@given(KEYS, KEYS, st.text(max_size=5))
def test_a_record_never_moves_when_data_grows(old, new, salt):
    split = Split(salt=salt, validation=0.2, test=0.3)
    before = dict(zip(old, assign(old, split), strict=True))
    after = dict(zip(new + old, assign(new + old, split), strict=True))
    assert all(after[key] == before[key] for key in old)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=50))
def test_a_group_never_straddles(groups):
    found: dict[str, set[str]] = {}
    for group, split in zip(groups, assign(groups, Split(validation=0.3, test=0.3)), strict=True):
        found.setdefault(group, set()).add(split)
    assert all(len(splits) == 1 for splits in found.values())


def test_the_rule_is_the_written_one():
    """Restated from the docstring, so that no change of code can move a record unseen."""
    split = Split(salt="pepper", validation=0.25, test=0.25)
    keys = [f"k{i}" for i in range(500)]
    expected = []
    for key in keys:
        text = (6).to_bytes(8, "little") + b"pepper" + key.encode()
        u = int.from_bytes(hashlib.sha256(text).digest()[:8], "little") / 2**64
        expected.append("test" if u < 0.25 else "val" if u < 0.5 else "train")
    assert assign(keys, split) == expected


def test_shares_are_near_the_wanted_ones():
    found = assign([str(i) for i in range(20_000)], Split(validation=0.1, test=0.2))
    assert abs(found.count("test") / 20_000 - 0.2) < 0.01
    assert abs(found.count("val") / 20_000 - 0.1) < 0.01


def test_another_salt_is_another_split():
    keys = [str(i) for i in range(200)]
    assert assign(keys, Split(salt="a")) != assign(keys, Split(salt="b"))


def test_a_set_may_do_without_validation_records():
    found = assign([str(i) for i in range(200)], Split(validation=0, test=0.2))
    assert set(found) == {"train", "test"}
