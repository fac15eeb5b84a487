import json

import pytest
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
    return tabular.build(tabular.Config(**options), name="facts", columns=COLUMNS)


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
        build().decode(raw)
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
def test_a_preview_keeps_all_that_tells_a_record_apart(raw):
    kind = build()
    shown = json.loads(kind.preview(raw, kind.decode(raw)))
    assert kind.content(raw) == kind.content(shown)
