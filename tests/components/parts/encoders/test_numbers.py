import numpy as np
import pytest

from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.kinds import tabular


def build(**types):
    columns = {"columns": {column: {"type": kind} for column, kind in types.items()}}
    kind = tabular.build(tabular.Config(), name="vector", columns=columns)
    return kind, parts.load("encoders", "numbers").build(
        parts.configure("encoders", "numbers", {}), kind=kind
    )


def test_numbers_are_read_as_they_are_in_the_order_of_their_names():
    kind, encoder = build(v2="number", v1="number")
    rows = encoder.encode([kind.decode({"v1": 1.5, "v2": -3e8}), kind.decode({"v2": 2})])
    assert rows.tolist() == [[1.5, np.float32(-3e8)], [0.0, 2.0]]


def test_what_is_no_number_is_refused_with_what_to_do():
    with pytest.raises(UsageError, match=r"colour \(category\).*name `fields` instead"):
        build(v1="number", colour="category")
