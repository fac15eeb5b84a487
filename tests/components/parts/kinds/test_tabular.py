import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import BadInput
from components.parts.kinds import tabular

COLUMNS = {
    "columns": {
        "age": {"type": "number"},
        "mass": {"type": "number"},
        "kind": {"type": "category"},
        "tags": {"type": "set"},
    }
}


def build(**options):
    return tabular.build(tabular.Config(**{"buckets": 9, **options}), name="facts", columns=COLUMNS)


def test_the_layout_is_numbers_then_buckets_with_marks_for_what_is_missing():
    row = build().encode([{"age": 3, "tags": ["a", "b", "a"]}])[0]
    assert row.shape == (2 + 2 * 9,)
    assert row[0] == 3
    assert math.isnan(row[1])
    assert row[2] == 1  # kind is missing
    assert not row[3:11].any()
    assert row[11] == 0
    assert 1 <= row[12:].sum() <= 2


def test_an_empty_set_is_not_a_missing_one():
    empty, missing = build().encode([{"tags": []}, {"tags": None}])
    assert not empty[11:].any()
    assert missing[11] == 1


def test_hashes_are_the_same_in_every_process():
    """Golden: blake2b with 8 bytes, little endian, computed with hashlib."""
    import hashlib

    number = int.from_bytes(hashlib.blake2b(b"demon", digest_size=8).digest(), "little")
    assert build().encode([{"kind": "demon"}])[0, 2 + 1 + number % 8] == 1


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("text", "facts"),
        ({"agee": 3}, "facts.agee"),
        ({"age": "3"}, "facts.age"),
        ({"age": True}, "facts.age"),
        ({"age": float("inf")}, "facts.age"),
        ({"age": 1e300}, "facts.age"),
        ({"kind": 5}, "facts.kind"),
        ({"kind": "\ud800"}, "facts.kind"),
        ({"tags": "a,b"}, "facts.tags"),
        ({"tags": [1]}, "facts.tags"),
        ({"tags": ["x"] * 3000}, "facts.tags"),
    ],
)
def test_values_of_the_wrong_type_are_refused_with_their_column(raw, field):
    with pytest.raises(BadInput) as caught:
        build().check(raw)
    assert caught.value.field == field


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
    modality = build()
    among = modality.encode([{"age": 1.0}, raw])[1]
    assert np.array_equal(modality.encode([raw])[0], among, equal_nan=True)
    assert modality.content(raw) == modality.content(json.loads(modality.preview(raw)))
    assert torch.isfinite(modality.encoder()(torch.from_numpy(among[None]))).all()


def test_fit_is_robust_and_missing_numbers_do_not_count():
    encoder = build().encoder()
    values = torch.full((1000, 20), float("nan"))
    values[:900, 0] = torch.randn(900) * 2 + 10
    values[900:910, 0] = 1e9
    encoder.fit(values)
    assert abs(float(encoder.mean[0]) - 10) < 0.5
    assert abs(float(encoder.scale[0]) - 2) < 0.3
    assert float(encoder.mean[1]) == 0
    assert float(encoder.scale[1]) == 1
