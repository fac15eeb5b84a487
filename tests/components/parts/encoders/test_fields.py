import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.parts import loading as parts
from components.parts.kinds import tabular

COLUMNS = {
    "columns": {
        "age": {"type": "number"},
        "mass": {"type": "number"},
        "kind": {"type": "category"},
        "tags": {"type": "set"},
    }
}


KIND = tabular.build(tabular.Config(), name="facts", columns=COLUMNS)


def build(**options):
    config = parts.configure("encoders", "fields", {"buckets": 9, **options})
    return parts.load("encoders", "fields").build(config, kind=KIND)


def encode(raws):
    return build().encode([KIND.decode(raw) for raw in raws])


def test_the_layout_is_numbers_then_buckets_with_marks_for_what_is_missing():
    row = encode([{"age": 3, "tags": ["a", "b", "a"]}])[0]
    assert row.shape == (2 + 2 * 9,)
    assert row[0] == 3
    assert math.isnan(row[1])
    assert row[2] == 1  # kind is missing
    assert not row[3:11].any()
    assert row[11] == 0
    assert 1 <= row[12:].sum() <= 2


def test_an_empty_set_is_not_a_missing_one():
    empty, missing = encode([{"tags": []}, {"tags": None}])
    assert not empty[11:].any()
    assert missing[11] == 1


def test_hashes_are_the_same_in_every_process():
    """Golden: blake2b with 8 bytes, little endian, computed with hashlib."""
    import hashlib

    number = int.from_bytes(hashlib.blake2b(b"demon", digest_size=8).digest(), "little")
    assert encode([{"kind": "demon"}])[0, 2 + 1 + number % 8] == 1


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "age": st.none() | st.floats(-1e6, 1e6) | st.integers(-5, 5),
            "kind": st.none() | st.text(max_size=5),
            "tags": st.none() | st.lists(st.text(max_size=4), max_size=4),
        },
    )
)
def test_any_valid_record_encodes_alone_as_among_others(raw):
    among = encode([{"age": 1.0}, raw])[1]
    assert np.array_equal(encode([raw])[0], among, equal_nan=True)
    assert torch.isfinite(build().network()(torch.from_numpy(among[None]))).all()


def test_fit_is_robust_and_missing_numbers_do_not_count():
    network = build().network()
    values = torch.full((1000, 20), float("nan"))
    values[:900, 0] = torch.randn(900) * 2 + 10
    values[900:910, 0] = 1e9
    network.fit_statistics(values)
    assert abs(float(network.mean[0]) - 10) < 0.5
    assert abs(float(network.scale[0]) - 2) < 0.3
    assert float(network.mean[1]) == 0
    assert float(network.scale[1]) == 1
