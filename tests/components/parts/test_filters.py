"""Filters: what their JSON forms mean, and which records they keep, against a loop over records."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import BadInput
from components.parts.columns import Columns, stored
from components.parts.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    And,
    In,
    Not,
    Or,
    Range,
    check,
    parse,
)

DECLARED = {"label": "text", "tags": "texts", "price": "number", "sold": "bool", "seen": "time"}
TEXT = st.sampled_from(["a", "b", "ü", ""])
NUMBER = st.sampled_from([-1.5, 0.0, 2.0, 3.25])
VALUES = {
    "label": st.none() | TEXT,
    "tags": st.none() | st.lists(TEXT, max_size=3),
    "price": st.none() | NUMBER | st.just(2),
    "sold": st.none() | st.booleans(),
    "seen": st.none() | NUMBER,
}
RECORDS = st.lists(st.fixed_dictionaries(VALUES), max_size=12)


def _several(values):
    return st.lists(values, max_size=3).map(tuple)


CONDITION = st.one_of(
    st.builds(In, st.just("label"), _several(TEXT)),
    st.builds(In, st.just("tags"), _several(TEXT)),
    st.builds(In, st.just("price"), _several(NUMBER)),
    st.builds(In, st.just("sold"), _several(st.booleans())),
    st.builds(In, st.just("id"), _several(st.sampled_from(["0", "3", "x"]))),
    st.builds(
        Range,
        field=st.sampled_from(["price", "seen"]),
        at_least=NUMBER,
        at_most=st.none() | NUMBER,
        above=st.none() | NUMBER,
        below=st.none() | NUMBER,
    ),
)
FILTERS = st.recursive(
    CONDITION,
    lambda f: st.one_of(_several(f).map(And), _several(f).map(Or), f.map(Not)),
    max_leaves=8,
)


def holds(of, record):
    """The oracle: the meaning of a filter, written for one record."""
    if isinstance(of, Not):
        return not holds(of.of, record)
    if isinstance(of, And):
        return all(holds(part, record) for part in of.of)
    if isinstance(of, Or):
        return any(holds(part, record) for part in of.of)
    value = record[of.field]
    if value is None:
        return False
    if isinstance(of, In):
        return any(v in of.values for v in (value if isinstance(value, list) else [value]))
    return (
        (of.at_least is None or value >= of.at_least)
        and (of.at_most is None or value <= of.at_most)
        and (of.above is None or value > of.above)
        and (of.below is None or value < of.below)
    )


def _form(of):
    if isinstance(of, Not):
        return {"not": _form(of.of)}
    if isinstance(of, And | Or):
        return {"and" if isinstance(of, And) else "or": [_form(part) for part in of.of]}
    if isinstance(of, In):
        return {"field": of.field, "in": list(of.values)}
    return {name: value for name, value in vars(of).items() if value is not None}


def _columns(records):
    def find(ids):
        return np.array([int(i) for i in ids if i.isdigit() and int(i) < len(records)], dtype=int)

    return Columns(DECLARED, find)


def _attributes(records):
    return {name: [record[name] for record in records] for name in DECLARED}


@given(RECORDS, RECORDS, FILTERS)
@settings(max_examples=150, deadline=None)
def test_a_filter_keeps_the_records_that_a_loop_keeps(first, more, of):
    records = first + more
    columns = _columns(records)
    arrays = {name: stored(DECLARED[name], v) for name, v in _attributes(first).items()}
    columns.fill(len(first), arrays)
    columns.check(len(more), _attributes(more))
    columns.add(len(more), _attributes(more))
    check(of, DECLARED)
    mask = columns.mask(of)
    assert mask.tolist() == [holds(of, {**r, "id": str(i)}) for i, r in enumerate(records)]
    assert parse(_form(of), DECLARED) == of
    kept = np.flatnonzero(mask)
    columns.keep(kept)
    if not any(isinstance(c, In) and c.field == "id" for c in _leaves(of)):
        assert columns.mask(of).all()
    again = {name: array.to_pylist() for name, array in columns.values().items()}
    for row, i in enumerate(kept.tolist()):
        for name in DECLARED:
            value = records[i][name]
            wanted = (sorted(set(value)) or None) if isinstance(value, list) else value
            assert again[name][row] == wanted


def _leaves(of):
    if isinstance(of, In | Range):
        return [of]
    return [
        leaf for part in (of.of if isinstance(of.of, tuple) else [of.of]) for leaf in _leaves(part)
    ]


@pytest.mark.parametrize(
    ("of", "kept"),
    [
        (In("label", ("a",)), [True, False, False]),
        (Not(In("label", ("a",))), [False, True, True]),
        (In("tags", ("a",)), [True, False, False]),
        (Not(In("tags", ("a",))), [False, True, True]),
        (Range(field="price", at_least=0), [True, False, False]),
        (Not(Range(field="price", at_least=0)), [False, True, True]),
        (In("sold", (False,)), [True, False, False]),
    ],
)
def test_a_record_without_a_value_satisfies_no_condition_and_so_its_opposite(of, kept):
    columns = _columns([])
    values = {
        "label": ["a", None, "b"],
        "tags": [["a", "b"], None, []],
        "price": [1, None, float("nan")],
        "sold": [False, None, True],
        "seen": [0, 0, 0],
    }
    columns.add(3, values)
    assert columns.mask(of).tolist() == kept


def test_a_time_is_seconds_or_an_iso_text_and_without_a_zone_it_is_utc():
    form = {"field": "seen", "at_least": "1970-01-02", "below": "1970-01-01T01:00:30+01:00"}
    assert parse(form, DECLARED) == Range(field="seen", at_least=86400.0, below=30.0)
    assert parse({"field": "seen", "above": 3}, DECLARED) == Range(field="seen", above=3.0)


def test_labels_is_short_for_the_field_label():
    assert parse({"labels": ["a"]}, DECLARED) == In("label", ("a",))


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ([], "filter", "got list, wanted one of"),
        ({}, "filter", "the keys"),
        ({"and": [{"or": {}}]}, "filter.and[0].or", "got dict, wanted a list"),
        ({"field": "pirce", "in": [1]}, "filter.field", "did you mean 'price'"),
        ({"field": 3, "in": [1]}, "filter.field", "one of"),
        ({"not": {"field": "price", "in": [1, "a"]}}, "filter.not.in[1]", "wanted numbers"),
        ({"field": "price", "in": [True]}, "filter.in[0]", "wanted numbers"),
        ({"field": "price", "above": float("nan")}, "filter.above", "wanted numbers"),
        ({"field": "price", "above": 10**400}, "filter.above", "wanted numbers"),
        ({"field": "label", "above": 1}, "filter", "which holds texts"),
        ({"field": "sold", "in": [1]}, "filter.in[0]", "true or false"),
        ({"field": "seen", "above": "soon"}, "filter.above", "ISO 8601"),
        ({"field": "price", "above": 1, "in": [1]}, "filter", "the keys"),
        ({"field": "price", "above": None}, "filter.above", "got None"),
        ({"labels": ["a", None]}, "filter.labels[1]", "wanted texts"),
    ],
)
def test_a_wrong_form_is_refused_with_its_path(form, field, message):
    with pytest.raises(BadInput) as refused:
        parse(form, DECLARED)
    assert refused.value.field == field
    assert message in str(refused.value)


def test_a_filter_is_bounded_in_depth_conditions_and_values():
    deep = {"labels": ["a"]}
    for _ in range(MAX_DEPTH - 1):
        deep = {"not": deep}
    parse(deep, DECLARED)
    for form in (
        {"not": deep},
        {"and": [{"labels": []}] * (MAX_CONDITIONS + 1)},
        {"labels": ["a"] * (MAX_VALUES + 1)},
    ):
        with pytest.raises(BadInput, match="at most"):
            parse(form, DECLARED)


@pytest.mark.parametrize(
    "values", [{"label": [3]}, {"tags": ["a"]}, {"price": [True]}, {"sold": [1]}, {"seen": ["x"]}]
)
def test_values_of_another_type_are_refused(values):
    attributes = {**_attributes([dict.fromkeys(DECLARED)]), **values}
    with pytest.raises(ValueError, match=next(iter(values))):
        _columns([]).check(1, attributes)


def test_numbers_of_a_stored_column_are_read_whatever_their_width():
    columns = _columns([])
    empty = {name: stored(kind, [None]) for name, kind in DECLARED.items()}
    columns.fill(1, {**empty, "price": pa.array([3], pa.int32())})
    assert columns.mask(In("price", (3.0,))).tolist() == [True]
