"""Only the step table lists the steps: everything else picks up an added row."""

import shutil
from dataclasses import replace

import pytest

from components.config import run as configuration
from components.config.home import Home
from flows.commands.runs import explain
from flows.runs.evaluation import measure
from flows.steps import table, work
from flows.steps.step import Call, Job, Step, named, needed
from tests import tiny
from tests.loop import outcome

pytestmark = pytest.mark.usefixtures("prefect_server")
steps_for = table.steps_for


def copied(call: Call) -> None:
    shutil.copytree(call.inputs["accepted"].path, call.out, dirs_exist_ok=True)


def longer(config, manifest, base=None) -> tuple[Step, ...]:
    """The table with a step between validate and encode, and a second round of train."""
    rows = steps_for(config, manifest, base)
    clean = Step(
        name="clean",
        version=1,
        inputs={"accepted": "validate"},
        config={},
        libraries=(),
        work=copied,
    )
    second = replace(named(rows, "train"), name="train@2")
    after = {"encode": {"validate": "clean"}}
    after |= {row: {"train": "train@2"} for row in ("baselines", "evaluate", "package")}
    found = []
    for row in rows:
        found += [clean] if row.name == "encode" else []
        renamed = after.get(row.name, {})
        found.append(replace(row, inputs={n: renamed.get(r, r) for n, r in row.inputs.items()}))
        found += [second] if row.name == "train" else []
    return tuple(found)


NAMES = [
    "validate", "clean", "encode", "teach", "pseudo_label",
    "train", "train@2", "baselines", "evaluate", "package",
]  # fmt: skip


@pytest.fixture(scope="module")
def run_again(again_for_all):
    """A run of the same configuration with the longer table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "steps_for", longer)
        path = tiny.config(again_for_all, again_for_all / "data")
        result = outcome(path, again_for_all / "home")
        patch.setenv("CONCORD_HOME", str(again_for_all / "home"))
        yield path, result


def test_the_flow_runs_added_rows_and_its_result_shows_their_seconds(run_again):
    _, result = run_again
    assert [s.name for s in result.steps] == NAMES
    seconds = {s.name: s.seconds for s in result.steps if s.status == "ran"}
    assert {"clean", "train@2"} <= seconds.keys()
    assert seconds["train@2"] > 0
    text = explain("latest").text
    assert [line.split()[0] for line in text.splitlines() if "never ran" in line] == [
        "clean",
        "train@2",
    ]


def test_the_same_again_answers_from_the_longer_table(run_again):
    path, _ = run_again
    assert outcome(path, path.parent / "home").verdict == "nothing changed"


def test_evaluate_walks_the_added_row_before_encode(run_again, tmp_path):
    path, _ = run_again
    clean = path.parent / "home" / "steps" / "clean"
    shutil.move(clean, tmp_path)
    measure(path, version="champion", data=None)
    assert list(clean.glob("*.json"))
    shutil.rmtree(clean)
    shutil.move(tmp_path / "clean", clean)


def test_a_second_round_of_training_is_a_task_for_a_pod_with_a_key_of_its_own(again_for_all):
    path = tiny.config(again_for_all, again_for_all / "data")
    job = Job.opened(
        configuration.load(path), base=again_for_all, home=Home(root=again_for_all / "home")
    )
    rows = longer(job.config, job.manifest)
    outputs = {row: job.data for row in ("encode", "pseudo_label")}
    specs = [
        work.train_spec(
            Call(step=step, job=job, inputs=step.given(outputs), key=step.name, out=again_for_all)
        )
        for step in rows
        if step.task == "train"
    ]
    assert [spec.inputs.keys() for spec in specs] == [{"features", "pseudo"}] * 2
    assert len({spec.digest() for spec in specs}) == 2


def test_what_a_step_needs_comes_from_its_inputs(again_for_all):
    path = tiny.config(again_for_all, again_for_all / "data")
    job = Job.opened(
        configuration.load(path), base=again_for_all, home=Home(root=again_for_all / "home")
    )
    rows = steps_for(job.config, job.manifest)
    assert [s.name for s in needed(rows, "pseudo_label")] == [
        "validate",
        "encode",
        "teach",
        "pseudo_label",
    ]
    with pytest.raises(ValueError, match="no row 'encoder'"):
        needed(rows, "encoder")
