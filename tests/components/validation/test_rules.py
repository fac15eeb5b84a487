"""The rules for the whole set and for columns, without any engine."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.yaml_file import parse_yaml
from components.data.manifest import FILE, parse
from components.data.splits import SPLITS
from components.validation import rules
from components.validation.rules import Tally
from tests.datasets import COLUMNS, MANIFEST

KEYS = st.sampled_from(["a", "b", "c", None])


def _tally(
    records: list[tuple[str, str, str | None]],
    modalities: tuple[str, ...] = ("image", "text", "facts"),
) -> Tally:
    tally = Tally()
    groups, splits, labels = (list(column) for column in zip(*records, strict=True))
    tally.add(groups, splits, labels, {m: [True] * len(records) for m in modalities})
    return tally


GOOD = [(f"{s}{c}", s, c) for s in ("train", "val", "test") for c in ("cat", "dog")]


def _manifest(**changes):
    return parse(parse_yaml(MANIFEST, FILE).tree | changes)


def test_a_good_set_stops_nothing_and_warns_of_nothing():
    assert rules.stops(_tally(GOOD), _manifest(), 0) == {}
    assert rules.warnings(_tally(GOOD), _manifest(), 0) == []


@pytest.mark.parametrize(
    ("records", "rule", "said"),
    [
        ([r for r in GOOD if r[1] != "test"], "splits filled", "no record in split test"),
        (
            [(g, s, None if s == "train" else c) for g, s, c in GOOD],
            "labels given",
            "no training record has a visible label",
        ),
        (
            [(g, s, None if (s, c) == ("train", "dog") else c) for g, s, c in GOOD],
            "classes labelled",
            "'dog'",
        ),
        (
            [(g, s, None if s == "test" else c) for g, s, c in GOOD],
            "labels to measure by",
            "split test",
        ),
        ([(g, s, "cat") for g, s, c in GOOD], "two classes", "single class 'cat'"),
        ([*GOOD, ("traincat", "test", "cat")], "groups in one split", "'traincat' (test, train)"),
    ],
)
def test_a_broken_set_is_stopped_with_what_where_and_what_to_do(records, rule, said):
    found = rules.stops(_tally(records), _manifest(), 0)
    assert list(found) == [rule]
    assert said in found[rule]


@pytest.mark.parametrize(
    ("records", "rule"),
    [
        ([r for r in GOOD if r[1] != "val"], "splits filled"),
        ([(g, s, None if s == "val" else c) for g, s, c in GOOD], "labels to measure by"),
    ],
    ids=["no record", "no label"],
)
def test_validation_records_are_needed_only_where_they_choose(records, rule):
    assert rules.stops(_tally(records), _manifest(), 0) == {}
    found = rules.stops(_tally(records), _manifest(), 0, SPLITS)
    assert list(found) == [rule]
    assert "split val" in found[rule]


@pytest.mark.parametrize(
    "records",
    [[(g, s, None) for g, s, _ in GOOD], [(g, s, "cat") for g, s, _ in GOOD]],
    ids=["no label", "one class"],
)
def test_labels_that_tell_nothing_apart_are_refused_with_what_can_be_had_without(records):
    (said,) = rules.stops(_tally(records), _manifest(), 0).values()
    assert "`target: {kind: none}`" in said
    assert "`concord classes add NAME --from DATA`" in said


def test_a_modality_absent_everywhere_or_in_training_stops():
    assert (
        "image"
        in rules.stops(_tally(GOOD, ("text", "facts")), _manifest(), 0)["modalities present"]
    )
    tally = _tally(GOOD, ("text", "facts"))
    tally.present["test", "image"] = 2
    assert (
        "no training record has modality image"
        in rules.stops(tally, _manifest(), 0)["modalities present"]
    )


def test_a_set_that_loses_most_records_stops():
    assert "more than half" in rules.stops(_tally(GOOD), _manifest(), 7)["records left"]
    assert rules.stops(_tally(GOOD), _manifest(), 6) == {}
    assert "none of the 3" in rules.stops(Tally(), _manifest(), 3)["records left"]


def test_declared_classes_need_labels_each():
    manifest = _manifest(target={"column": "label", "classes": ["cat", "dog", "owl"]})
    assert "'owl'" in rules.stops(_tally(GOOD), manifest, 0)["classes labelled"]


@given(st.lists(KEYS), st.lists(KEYS))
def test_occurrences_count_over_batches(first, second):
    before: Counter[str] = Counter()
    found = rules.occurrences(first, before) + rules.occurrences(second, before)
    whole = first + second
    assert found == [None if k is None else whole[: i + 1].count(k) for i, k in enumerate(whole)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "val", "test", "odd", None]),
            KEYS,
            st.sampled_from(["x", "y", None]),
        )
    )
)
def test_hidden_labels_do_not_pass(records):
    splits, ids, labels = ([r[i] for r in records] for i in range(3))
    shown = rules.visible_labels(labels, splits, ids, frozenset({"a"}))
    for split, key, label, seen in zip(splits, ids, labels, shown, strict=True):
        assert seen == (label if split in ("val", "test") or key == "a" else None)
    assert rules.visible_labels(labels, splits, ids, None) == labels


@pytest.mark.parametrize(
    ("column", "kind", "wanted"),
    [
        ("size", pa.string(), "numbers"),
        ("colour", pa.list_(pa.string()), "text, numbers"),
        ("colour", pa.duration("s"), "text, numbers"),
        ("tags", pa.int64(), "text with a separator"),
        ("image", pa.int64(), "paths"),
        ("text", pa.binary(), "text"),
        ("label", pa.binary(), "text, numbers"),
        ("id", pa.list_(pa.string()), "text, numbers"),
        ("split", pa.int64(), "train, val, test"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(column, kind, wanted):
    schema = pa.schema(list((COLUMNS | {column: kind}).items()))
    (problem,) = rules.schema_problems(schema, _manifest())
    assert repr(column) in problem
    assert wanted in problem


def test_other_stored_forms_of_a_type_are_fine():
    kinds = {
        "size": pa.bool_(),
        "tags": pa.list_(pa.string()),
        "image": pa.binary(),
        "colour": pa.date32(),
        "group": pa.float64(),
    }
    kinds |= {"label": pa.int64(), "text": pa.large_string(), "bonus": pa.decimal128(5, 2)}
    assert rules.schema_problems(pa.schema(list((COLUMNS | kinds).items())), _manifest()) == []


def test_classes_that_are_fractions_are_told_as_a_measured_quantity():
    few = [(f"{s}{c}", s, c) for s in ("train", "val", "test") for c in ("0.37", "1.5")]
    (said,) = rules.warnings(_tally(few), _manifest(), 0)
    assert "2 of 2 classes are numbers such as 0.37" in said
    stopped = rules.stops(_tally([*few, ("g", "val", "2.25")]), _manifest(), 0)
    assert "divide it into ranges" in stopped["classes labelled"]


def test_hundreds_of_classes_that_are_whole_numbers_are_told_and_a_few_codes_are_not():
    def said(count):
        every = [(f"{s}{c}", s, str(c)) for s in ("train", "val", "test") for c in range(count)]
        return rules.warnings(_tally(every), _manifest(), 0)

    assert said(90) == []
    (told,) = said(200)
    assert "200 of 200 classes are numbers such as 0" in told
    assert "divide it into ranges" in told


def test_a_split_that_few_groups_cannot_fill_is_told_so():
    records = [("shop", "train", "cat"), ("shop", "train", "dog")]
    by_group = _manifest(group="group", split={"salt": "s", "validation": 0.1, "test": 0.2})
    (said,) = rules.stops(_tally(records), by_group, 0).values()
    assert "column 'group' makes 1 groups, each of which stays in one split" in said


def test_whole_numbers_that_a_number_cannot_tell_apart_are_told():
    table = pa.table({"size": [2**53 + 1, None], "bonus": [2**53, 1], "colour": ["a", "b"]})
    assert rules.inexact_columns(table, _manifest()) == {"size"}
    tally = _tally(GOOD)
    tally.inexact = {"size"}
    (said,) = rules.warnings(tally, _manifest(), 0)
    assert "column 'size' has whole numbers beyond 2^53" in said


def test_declared_classes_may_be_whole_numbers_and_truth_values():
    target = {"column": "label", "classes": [1, True, "x"]}
    assert _manifest(target=target).target.classes == ["1", "true", "x"]
