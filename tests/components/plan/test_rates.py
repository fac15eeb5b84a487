"""Lines fit measurements; profiles round-trip and are refused for another run."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import UsageError
from components.plan import rates as profiles
from components.plan.rates import Line
from tests.components.plan.conftest import rates

KEY = {"data": "d", "steps": {"fit": {"version": 1, "config": {"dim": 16}}}}
values = st.floats(0, 1e6)


def test_a_line_through_two_points_is_that_of_least_squares():
    slope, fixed = np.polyfit([250, 1000], [2.0, 3.5], 1)
    found = Line.through((250, 2.0), (1000, 3.5))
    assert (found.fixed, found.slope) == (pytest.approx(fixed), pytest.approx(slope))


@given(low=values, high=values)
def test_a_line_meets_the_larger_point_and_is_nowhere_below_zero(low, high):
    found = Line.through((250, low), (1000, high))
    assert found.at(1000) == pytest.approx(high)
    assert found.fixed >= 0
    assert found.slope >= 0


def test_what_is_saved_is_read(tmp_path):
    made = rates(gpu="a GPU that is not here")
    profiles.save(tmp_path / "p.json", KEY, made)
    assert profiles.load(tmp_path / "p.json", KEY) == made
    assert [f.name for f in tmp_path.iterdir()] == ["p.json"]


def test_the_profile_of_another_run_is_refused_with_what_differs(tmp_path):
    profiles.save(tmp_path / "p.json", KEY, rates())
    other = {"data": "d", "steps": {"fit": {"version": 1, "config": {"dim": 32}}}}
    with pytest.raises(UsageError, match=r"steps.fit.config.dim: profile has 16, this run 32"):
        profiles.load(tmp_path / "p.json", other)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tree: tree["profile"].pop("machine"), "profile.machine: missing"),
        (lambda tree: tree.pop("key"), "key: missing"),
        (lambda tree: tree["profile"].update(strange=1), "unknown key 'strange'"),
        (lambda tree: tree["profile"]["stages"][0]["seconds"].update(slope=-1.0), "slope"),
    ],
)
def test_a_spoilt_profile_is_one_clear_error(tmp_path, spoil, message):
    profiles.save(tmp_path / "p.json", KEY, rates())
    tree = json.loads((tmp_path / "p.json").read_text())
    spoil(tree)
    (tmp_path / "p.json").write_text(json.dumps(tree))
    with pytest.raises(UsageError, match=message):
        profiles.load(tmp_path / "p.json", KEY)


def test_without_a_profile_the_message_names_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="--save-profile"):
        profiles.load(tmp_path / "p.json", KEY)
