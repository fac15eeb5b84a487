"""What ``concord evaluate`` tells of its looks."""

import math

from flows.commands.looks import looked

PAIRS = [{"split": "train", "other": "test", "pairs": 3}]


def _leaks(leaked, without):
    found = {"pairs": PAIRS, "records": 3, "leaked": leaked, "figure": "accuracy", "all": 0.75}
    return "\n".join(looked({"leaks": found | {"without_leaks": without}}))


def test_leaks_tell_the_figure_without_them():
    assert "1 of 3 test records" in _leaks(1, 0.5)
    assert "accuracy 0.7500 with them, 0.5000 without" in _leaks(1, 0.5)


def test_where_every_test_record_leaks_there_is_no_figure_without_them():
    told = _leaks(3, math.nan)
    assert "accuracy 0.7500 with them, no record is left without" in told
    assert "nan" not in told


def test_what_no_record_could_show_is_a_dash():
    nothing = {"importance": 0.0, "alone": math.nan, "follows": math.nan, "resists": math.nan}
    modalities = {"rare": nothing | {"shortcut": False}}
    figures = {"figure": "accuracy", "whole": 1.0, "solvable_by_one": 1.0, "n": 9}
    told = "\n".join(looked({"reliance": figures | {"modalities": modalities}}))
    assert "nan" not in told
    assert told.count("\u2013") == 3
