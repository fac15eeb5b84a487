"""What is told of a set that can be used, by tallies of small sets."""

from components.data.splits import SPLITS
from components.validation.warnings import warnings
from tests.components.validation.sets import GOOD, manifest_of, tally_of


def test_a_good_set_warns_of_nothing():
    assert warnings(tally_of(GOOD), manifest_of(), 0) == []


def test_classes_that_are_fractions_are_told_as_a_measured_quantity():
    few = [(f"{s}{c}", s, c) for s in SPLITS for c in ("0.37", "1.5")]
    (said,) = warnings(tally_of(few), manifest_of(), 0)
    assert "2 of 2 classes are numbers such as 0.37" in said


def test_hundreds_of_classes_that_are_whole_numbers_are_told_and_a_few_codes_are_not():
    def said(count):
        every = [(f"{s}{c}", s, str(c)) for s in SPLITS for c in range(count)]
        return warnings(tally_of(every), manifest_of(), 0)

    assert said(90) == []
    (told,) = said(200)
    assert "200 of 200 classes are numbers such as 0" in told
    assert "divide it into ranges" in told


def test_columns_that_training_or_test_records_lack_are_told():
    tally = tally_of(GOOD)
    for split in SPLITS:
        tally.present[split, "facts"] = 5
        tally.given["train" if split == "val" else split, "facts", "both"] = 5
    tally.given.update({("train", "facts", "late"): 0, ("test", "facts", "late"): 4})
    tally.given.update({("train", "facts", "early"): 9, ("test", "facts", "early"): 0})
    late, early = warnings(tally, manifest_of(), 0)
    assert "no training record has a value of column 'late' of facts" in late
    assert "column 'early' of facts, and no test record has one" in early


def test_columns_of_whole_numbers_that_a_number_cannot_tell_apart_are_told():
    tally = tally_of(GOOD)
    tally.inexact = {"size"}
    (said,) = warnings(tally, manifest_of(), 0)
    assert "column 'size' has whole numbers beyond 2^53" in said
