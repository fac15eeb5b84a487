"""What prevents a run, by tallies of small sets."""

import pytest

from components.data.splits import SPLITS
from components.validation.stops import stops
from components.validation.tally import Tally
from tests.components.validation.sets import GOOD, manifest_of, tally_of


def test_a_good_set_stops_nothing():
    assert stops(tally_of(GOOD), manifest_of(), 0) == {}


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
    found = stops(tally_of(records), manifest_of(), 0)
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
    assert stops(tally_of(records), manifest_of(), 0) == {}
    found = stops(tally_of(records), manifest_of(), 0, SPLITS)
    assert list(found) == [rule]
    assert "split val" in found[rule]


@pytest.mark.parametrize(
    "records",
    [[(g, s, None) for g, s, _ in GOOD], [(g, s, "cat") for g, s, _ in GOOD]],
    ids=["no label", "one class"],
)
def test_labels_that_tell_nothing_apart_are_refused_with_what_can_be_had_without(records):
    (said,) = stops(tally_of(records), manifest_of(), 0).values()
    assert "`target: {kind: none}`" in said
    assert "`concord classes add NAME --from DATA`" in said


def test_a_modality_absent_everywhere_or_in_training_stops():
    assert (
        "image" in stops(tally_of(GOOD, ("text", "facts")), manifest_of(), 0)["modalities present"]
    )
    tally = tally_of(GOOD, ("text", "facts"))
    tally.present["test", "image"] = 2
    assert (
        "no training record has modality image"
        in stops(tally, manifest_of(), 0)["modalities present"]
    )


def test_a_set_that_loses_most_records_stops():
    assert "more than half" in stops(tally_of(GOOD), manifest_of(), 7)["records left"]
    assert stops(tally_of(GOOD), manifest_of(), 6) == {}
    assert "none of the 3" in stops(Tally(), manifest_of(), 3)["records left"]


def test_declared_classes_need_labels_each():
    manifest = manifest_of(target={"column": "label", "classes": ["cat", "dog", "owl"]})
    assert "'owl'" in stops(tally_of(GOOD), manifest, 0)["classes labelled"]


def test_a_split_that_few_groups_cannot_fill_is_told_so():
    records = [("shop", "train", "cat"), ("shop", "train", "dog")]
    by_group = manifest_of(group="group", split={"salt": "s", "validation": 0.1, "test": 0.2})
    (said,) = stops(tally_of(records), by_group, 0).values()
    assert "column 'group' makes 1 groups, each of which stays in one split" in said


def test_classes_without_labels_that_are_fractions_are_told_as_a_measured_quantity():
    few = [(f"{s}{c}", s, c) for s in SPLITS for c in ("0.37", "1.5")]
    stopped = stops(tally_of([*few, ("g", "val", "2.25")]), manifest_of(), 0)
    assert "divide it into ranges" in stopped["classes labelled"]
