"""A sweep on pictures and fields of the tiny data set: what it reads, keeps and writes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config import run as configuration
from components.core.errors import UsageError, UserError
from components.registry.mlflow_client import Store
from components.training.held_out import HeldOut
from flows.commands import sweep as command
from flows.sweep import sweep as module
from flows.sweep.found import Sweep, Trials
from flows.sweep.space import Setting
from flows.sweep.sweep import sweep
from tests import synthetic, tiny, tiny_multi
from tests.stores import state

TEXT = "  text: {kind: text, column: text}\n"


def write(folder, garbage=None):
    """A data set without texts, and its configuration; labels outside of training are replaced."""
    data = tiny.make(folder / "data", 120)
    (data / "dataset.yaml").write_text(tiny.MANIFEST.replace(TEXT, ""), encoding="utf-8")
    table = pq.read_table(data / "records.parquet")
    rows = table.to_pylist()
    for row in rows:
        row["label"] = row["label"] if garbage is None or row["split"] == "train" else garbage
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), data / "records.parquet")
    options = {name: synthetic.OPTIONS[name] for name in ("image", "facts")}
    return tiny.config(folder, data, {json.dumps(synthetic.OPTIONS): json.dumps(options)})


def swept(folder, patch, **options):
    patch.setenv("CONCORD_HOME", str(folder / "home"))
    return sweep(folder / "tiny.yaml", **{"minutes": 10.0, **options})


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder with ``tiny.yaml``, ``data`` and ``home``, and what its sweep found."""
    folder = tmp_path_factory.mktemp("sweep")
    write(folder)
    state(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        return folder, swept(folder, patch)


@pytest.fixture
def anew(first):
    """The folder of the first sweep, whose steps are done and whose trials are forgotten."""
    folder = first[0]
    (folder / "home" / "sweeps").rename(folder / "kept")
    yield folder
    shutil.rmtree(folder / "home" / "sweeps", ignore_errors=True)
    (folder / "kept").rename(folder / "home" / "sweeps")


def told(folder):
    """The evidence of every trial, as it is on disk."""
    return [p.read_bytes() for p in sorted(folder.glob("home/sweeps/*/*.json"))]


def test_the_configuration_itself_comes_first_and_a_small_space_is_tried_whole(first):
    found = first[1]
    assert found.trials[0].changes == {}
    assert found.trials[0].gain.mean == 0
    assert {s.name: list(s.choices) for s in found.settings} == {
        "modalities.facts": ["fields", "multiplexed", "fields+multiplexed"],
        "modalities.image": ["as it is", "lite"],
        "labeller": ["fixed", "none"],
    }
    assert len({tuple(t.chosen.items()) for t in found.trials}) == len(found.trials) == 12
    assert found.ended == "everything was tried"


def test_garbage_in_place_of_test_and_validation_labels_leaves_every_trial_bit_identical(
    first, tmp_path, monkeypatch
):
    folder, found = first
    write(tmp_path, garbage="circle")
    state(tmp_path / "home")
    other = swept(tmp_path, monkeypatch, most=2)
    assert [t.chosen for t in other.trials] == [t.chosen for t in found.trials[:2]]
    assert told(tmp_path) == told(folder)[:2]


def test_trials_are_runs_below_one_run_in_mlflow(first):
    folder, found = first
    client = Store(module.find(folder / "home")).client()
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    gains = sorted(run.data.metrics["gain.mean"] for run in children)
    assert gains == pytest.approx(sorted(t.gain.mean for t in found.trials))
    assert parent.data.metrics["trials"] == len(children) == 12


def test_the_same_sweep_again_goes_on_where_it_ended(first, monkeypatch):
    folder, found = first
    again = swept(folder, monkeypatch)
    assert again.earlier == len(again.trials) == 12
    assert [(t.chosen, t.gain) for t in again.trials] == [(t.chosen, t.gain) for t in found.trials]


def test_without_time_the_configuration_itself_is_tried_and_nothing_else(anew, monkeypatch):
    found = swept(anew, monkeypatch, minutes=1e-6)
    assert [t.changes for t in found.trials] == [{}]
    assert found.ended == "the time is over"


def test_an_interrupt_keeps_what_was_found(anew, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_evidence", interrupted)
    found = swept(anew, monkeypatch)
    assert (found.ended, len(found.trials)) == ("interrupted", 1)
    monkeypatch.undo()
    assert len(swept(anew, monkeypatch).trials) == 12


def test_a_trial_that_fails_is_told_and_the_others_go_on(anew, monkeypatch):
    real = module._evidence

    def evidence(job, network):
        if job.config.labeller is None:
            raise UserError("no such thing")
        return real(job, network)

    monkeypatch.setattr(module, "_evidence", evidence)
    found = swept(anew, monkeypatch)
    assert len(found.trials) == 6
    assert [reason for _, reason in found.failed] == ["no such thing"] * 6
    assert "labeller=none: no such thing" in command.screen(found, anew / "x.yaml")


def test_without_a_target_there_is_nothing_to_judge_by(tmp_path, monkeypatch):
    tiny_multi.make(tmp_path / "data", 20, kind="none")
    tiny.config(tmp_path, tmp_path / "data")
    with pytest.raises(UserError, match=r"target of .* is 'none': nothing is predicted"):
        swept(tmp_path, monkeypatch)


def outcome(folder, gains):
    """What a sweep found, from the gain of each trial on 100 records."""
    settings = (Setting(path=("training", "epochs"), choices={"8": 8, "20": 20, "40": 40}),)
    ids = [str(i) for i in range(100)]
    own = HeldOut(ids=ids, groups=ids, losses=np.linspace(1, 2, 100), figures={"accuracy": 0.5})
    trials = Trials(folder, settings, own)
    for choice, better in zip(settings[0].choices, [0.0, *gains], strict=False):
        trials.told({"training.epochs": choice}, replace(own, losses=own.losses - better), 1.0)
    return Sweep(settings=settings, network=True, trials=trials.done, ended="the time is over")


def answered(folder, monkeypatch, gains):
    path = write(folder)
    monkeypatch.setattr(command, "work", lambda *_, **__: outcome(folder, gains))
    return path, command.sweep(path, minutes=1, data=None, wait=True)


def test_the_best_configuration_is_written_and_can_be_run(tmp_path, monkeypatch):
    path, answer = answered(tmp_path, monkeypatch, [0.1, 0.2])
    written = tmp_path / "tiny.best.yaml"
    own, best = configuration.load(path), configuration.load(written)
    assert best.training.epochs == 40
    training = best.training.model_copy(update={"epochs": own.training.epochs})
    assert best.model_copy(update={"training": training}) == own
    assert answer.value["better"]
    assert "better than the configuration by more than noise" in answer.text
    assert answer.then == f"concord run {written}"


def test_a_gain_within_noise_leaves_the_default_where_it_is(tmp_path, monkeypatch):
    noise = np.tile([1.05, -0.95], 50)
    path, answer = answered(tmp_path, monkeypatch, [noise])
    assert not answer.value["better"]
    assert "The default stands: the gain is within noise" in answer.text
    assert answer.then == f"concord run {path}"


def test_a_gain_that_nobody_would_notice_leaves_the_default_however_sure_it_is(
    tmp_path, monkeypatch
):
    _, answer = answered(tmp_path, monkeypatch, [0.00001, -0.00001])
    assert not answer.value["better"]
    assert "The default stands: the gain is too small to matter" in answer.text
    assert "-0.0000" not in answer.text


def test_where_nothing_is_better_nothing_is_written(tmp_path, monkeypatch):
    _, answer = answered(tmp_path, monkeypatch, [-0.1])
    assert "The default stands: no other trial was better" in answer.text
    assert not (tmp_path / "tiny.best.yaml").exists()


def test_a_file_that_a_person_wrote_is_never_overwritten(tmp_path, monkeypatch):
    (tmp_path / "tiny.best.yaml").write_text("name: mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"tiny\.best\.yaml exists and is not from a sweep"):
        answered(tmp_path, monkeypatch, [0.1])
