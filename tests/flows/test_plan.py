"""`concord plan` for people and for programs, with real measurements of the tiny set."""

import json

import pytest
from typer.testing import CliRunner

from components.config import run as configuration
from components.config.home import Home
from flows.cli import app
from flows.commands.plan import profile_key
from flows.steps import table
from flows.steps.step import Job, walk
from tests import tiny

RECORDS = 120
"""All records of the set, and of the larger sample."""


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Configuration, profile and output of a first plan; its times are not checked."""
    folder = tmp_path_factory.mktemp("plan")
    path = tiny.config(folder, tiny.make(folder / "data", RECORDS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCORD_HOME", str(folder / "home"))
        patch.setattr("components.plan.measure.TURNS", 1)
        done = plan(path, "--save-profile", str(folder / "profile.json"), "--json")
    assert done.exit_code == 0, done.output
    return path, folder / "profile.json", json.loads(done.stdout)


@pytest.fixture(scope="module")
def real(planned, tmp_path_factory):
    """Output folder of every step of a run on the same set."""
    path, home = planned[0], Home(root=tmp_path_factory.mktemp("real"))
    job = Job.opened(configuration.load(path), base=path.parent, home=home)
    steps = table.steps_for(job.config, job.manifest, job.base)
    return {result.name: result.ref.path for result in walk(steps, job)}


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
        "choices",
        "assumptions",
        "laws",
        "plans",
    }
    for one in value["plans"]:
        assert [s["name"] for s in one["stages"]] == [
            "validate", "encode", "teach", "pseudo_label",
            "train", "baselines", "evaluate", "package",
        ]  # fmt: skip
        assert {c["what"] for c in one["engines"]} == {*(s["name"] for s in one["stages"]), "index"}
        assert all(s["seconds"] >= 0 for s in one["stages"])


def test_rates_are_measured_on_two_sizes_and_kept(planned):
    kept = json.loads(planned[1].read_text())
    assert kept["profile"] == planned[2]["profile"]
    assert kept["profile"]["samples"] == [60, RECORDS]
    assert kept["profile"]["machine"]["memory_bytes"] > 0


def test_steps_and_bytes_at_the_size_of_the_sample_are_those_of_a_run(planned, real):
    for stage in planned[2]["plans"][0]["stages"]:
        out = real[stage["name"]]
        fitted = [json.loads(p.read_text()) for p in own_histories(stage["name"], out)]
        assert stage["steps"] == sum(history["steps"] for history in fitted)
        assert stage["epochs"] == max((len(h["epochs"]) for h in fitted), default=0)
        written = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
        # The sample is packed and has another digest: texts about it differ by some bytes.
        assert stage["written_bytes"] == pytest.approx(written, rel=0.02)


def own_histories(name, out):
    """Histories of the models that a step fitted; ``train`` also passes the kept one on."""
    places = {
        "train": ["student", "rehearsal", "rehearsal-learned"],
        "baselines": ["*"],
    }
    return [p for place in places.get(name, []) for p in out.glob(f"{place}/history.json")]


def test_the_key_of_a_profile_covers_steps_options_sources_and_data(planned):
    path = planned[0]
    config = configuration.load(path)
    home = Home(root=path.parent / "home")
    key = profile_key(config, base=path.parent, home=home)
    training = config.training.model_copy(update={"epochs": 99})
    other = config.model_copy(update={"training": training})
    assert key == json.loads(planned[1].read_text())["key"]
    assert set(key["steps"]) == {step.name for step in steps_of(config, path)}
    assert key != profile_key(other, base=path.parent, home=home)
    assert len(key["data"]) == 64


def steps_of(config, path):
    job = Job.opened(config, base=path.parent, home=Home(root=path.parent / "home"))
    return table.steps_for(config, job.manifest, path.parent)


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
    assert "model.dim: profile has 16, this run 24" in json.loads(done.stdout)["error"]


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
