"""`concord plan` as a person and as a program use it, on a real calibration of the tiny set."""

import json

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tests import tiny


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Configuration, profile and the object that a first plan printed; its rates are from too few steps to be trusted."""
    folder = tmp_path_factory.mktemp("plan")
    path = tiny.config(folder, tiny.make(folder / "data", 120))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCORD_HOME", str(folder / "home"))
        patch.setattr("components.plan.steps._SECONDS", 0.0)
        patch.setattr("components.plan.calibrate.TURNS", 1)
        done = plan(path, "--save-profile", str(folder / "profile.json"), "--json")
    assert done.exit_code == 0, done.output
    return path, folder / "profile.json", json.loads(done.stdout)


def plan(*arguments):
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def test_the_object_has_its_own_size_and_every_power_of_ten(planned):
    value = planned[2]
    assert [p["records"] for p in value["plans"]] == [120, *(10**k for k in range(4, 10))]
    assert set(value) == {
        "config",
        "records",
        "trainer",
        "profile",
        "profile_from",
        "assumptions",
        "laws",
        "plans",
    }
    for one in value["plans"]:
        assert [s["name"] for s in one["stages"]] == [
            "validate", "encode", "teach", "pseudo_label", "train", "baselines", "evaluate", "package",
        ]  # fmt: skip
        assert {c["what"] for c in one["engines"]} == {*(s["name"] for s in one["stages"]), "index"}
        assert set(one["encoder_seconds"]) == {"facts", "image", "text"}
        assert all(s["seconds"] >= 0 for s in one["stages"])


def test_rates_are_measured_on_two_sizes_and_kept(planned):
    profile = json.loads(planned[1].read_text())
    assert profile == planned[2]["profile"]
    assert profile["sample_records"] == [60, 120]
    assert all(line["slope"] >= 0 for line in profile["steps"].values())
    assert profile["machine"]["memory_bytes"] > 0


def test_nothing_is_left_of_measuring(planned):
    assert not list((planned[0].parent / "home").glob("concord-plan-*"))


def test_a_kept_profile_gives_the_same_plan_at_once(planned):
    path, profile, value = planned
    done = plan(path, "--profile", profile, "--records", 10_000, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["plans"] == [value["plans"][1]]


def test_people_get_a_table_a_total_and_why(planned):
    path, profile, _ = planned
    done = plan(path, "--profile", profile, "--records", 1_000_000)
    for piece in (
        "1,000,000 records",
        "times the larger sample",
        "of it image",
        "total ",
        "why:",
        "  index: ",
        "next: ",
    ):
        assert piece in done.stdout, piece


def test_a_profile_of_another_model_is_refused(planned, tmp_path):
    path, profile, _ = planned
    other = tiny.config(tmp_path, path.parent / "data", {"dim: 16": "dim: 24"})
    done = plan(other, "--profile", profile, "--json")
    assert done.exit_code == 2
    assert "model.dim: profile has 16, the configuration 24" in json.loads(done.stdout)["error"]


def test_mistakes_of_a_configuration_are_one_error(planned, tmp_path):
    bad = tiny.config(tmp_path, planned[0].parent / "data", {"dim: 16": "dim: 0", "gated": "gatd"})
    done = plan(bad, "--json")
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert "2 mistakes" in error
    assert "did you mean 'gated'" in error


def test_reading_and_measuring_at_once_is_wrong_use(planned):
    done = plan(planned[0], "--profile", planned[1], "--save-profile", planned[1])
    assert done.exit_code == 2
