import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import BadInput
from components.parts.kinds import tabular
from components.parts.reading import Reading

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


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("options", [{}, {"max_items": 3, "max_characters": 5}])
@given(data=st.data())
def test_what_the_schema_admits_is_read_and_decoded(options, data):
    kind = build(**options)
    fields = data.draw(st.dictionaries(st.sampled_from(["age", "kind", "tags", "agee"]), JSON))
    admitted = jsonschema.Draft202012Validator(kind.schema()).is_valid(fields)
    raw = None
    try:
        raw = Reading("facts", "fields", COLUMNS["columns"])(fields)
        accepted = raw is None or bool(kind.decode(raw))
    except BadInput:
        accepted = False
    assert accepted or not admitted, fields


def test_the_schema_tells_units_separators_and_defaults_and_the_example_uses_them():
    columns = {
        "mass": {"type": "number", "unit": "kg", "null": {"default": 2}},
        "tags": {"type": "set", "separator": "|"},
    }
    kind = tabular.build(tabular.Config(), name="facts", columns={"columns": columns})
    properties = kind.schema()["properties"]
    assert properties["mass"]["description"] == "a number in kg"
    assert properties["mass"]["default"] == 2
    assert "'|'" in properties["tags"]["description"]
    assert kind.example() == {"mass": 2.0, "tags": ["a word", "another"]}
