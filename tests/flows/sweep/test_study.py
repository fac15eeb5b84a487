"""Proposals: the same seed gives the same ones, nothing is done twice, and trials are kept."""

import pytest

from flows.sweep.space import Setting
from flows.sweep.study import Study

SMALL = (
    Setting(path=("a",), choices={"0": 0, "1": 1}),
    Setting(path=("b",), choices={"x": "x", "y": "y", "z": "z"}),
)
FIRST = {"a": "0", "b": "x"}


def tried(place, count=10, seed=0):
    study = Study(place, SMALL, seed)
    found = []
    for _ in range(count):
        proposed = study.propose()
        if proposed is None:
            break
        handle, chosen = proposed
        found.append(chosen)
        study.tell(handle, float(chosen["a"]), {"seconds": 1.0})
    return found


def test_the_default_comes_first_then_each_change_by_itself_then_all_the_rest(tmp_path):
    found = tried(tmp_path / "log")
    assert found[0] == FIRST
    assert all(each["a"] == "0" or each["b"] == "x" for each in found[1:4])
    assert len(found) == 6
    assert len({tuple(sorted(each.items())) for each in found}) == 6


def test_the_same_seed_proposes_the_same(tmp_path):
    assert tried(tmp_path / "one", 4) == tried(tmp_path / "two", 4)


@pytest.mark.parametrize("reason", ["", "no such encoder"])
def test_a_stopped_trial_may_come_again_and_a_failed_one_does_not(tmp_path, reason):
    tried(tmp_path / "log", 5)
    study = Study(tmp_path / "log", SMALL, 0)
    handle, chosen = study.propose()
    study.failed(handle, reason)
    again = Study(tmp_path / "log", SMALL, 0).propose()
    assert again is None if reason else again[1] == chosen


def test_a_killed_sweep_keeps_its_trials(tmp_path):
    tried(tmp_path / "log", 3)
    Study(tmp_path / "log", SMALL, 0).propose()  # and is killed
    found = Study(tmp_path / "log", SMALL, 0).finished()
    assert found[0] == (FIRST, {"seconds": 1.0})
    assert len(found) == 3
