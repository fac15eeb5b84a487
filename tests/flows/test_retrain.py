"""The whole loop on a tiny data set with the real engines: reruns, decisions, recovery."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.home import Home
from components.registry.ledger import Ledger
from components.registry.promotion import Promotion
from flows.runs.result import RunResult
from tests import tiny
from tests.loop import outcome

pytestmark = pytest.mark.usefixtures("prefect_server")
SCHEMA = Path(__file__).parents[2] / "docs" / "run-result.schema.json"
STEPS = ["validate", "encode", "teach", "pseudo_label", "train", "baselines", "evaluate", "package"]


def changed(again, replace):
    return outcome(tiny.config(again, again / "data", replace), again / "home")


def ran(result):
    return [s.name for s in result.steps if s.status == "ran"]


def test_a_first_run_runs_every_step_and_makes_a_champion(first):
    _, home, result = first
    assert ran(result) == STEPS
    assert result.verdict == "promote"
    assert Promotion(Home(root=home), "tiny").champion().version == result.model_version == 1
    assert Path(result.report).is_file()
    assert Path(result.data_docs).is_file()
    assert result.flow_run


def test_the_printed_object_follows_the_published_schema(first):
    schema = json.loads(SCHEMA.read_text())
    assert schema == RunResult.model_json_schema()
    value = json.loads(first[2].model_dump_json(by_alias=True))
    jsonschema.validate(value, schema)
    assert {"accuracy", "macro_f1", "ece", "by_subset", "retrieval"} <= value["metrics"].keys()
    assert "image+text" in value["metrics"]["by_subset"]
    assert "text->image" in value["metrics"]["retrieval"]


def test_the_same_again_answers_without_a_flow_and_decides_nothing(first):
    path, home, _ = first
    before = Ledger(Home(root=home).ledger).entries()
    result = outcome(path, home)
    assert result.verdict == "nothing changed"
    assert result.engine_seconds == 0
    assert result.flow_run is None
    assert ran(result) == []
    assert Ledger(Home(root=home).ledger).entries() == before


def test_another_threshold_runs_pseudo_label_again_and_nothing_before_it(again):
    result = changed(again, {"labeller: {name: fixed}": "labeller: {name: fixed, threshold: 0.5}"})
    assert "pseudo_label" in ran(result)
    assert not {"validate", "encode", "teach"} & set(ran(result))
    reason = next(s.reason for s in result.steps if s.name == "pseudo_label")
    assert "threshold" in reason


def test_another_margin_only_decides_again(again):
    result = changed(again, {"gate: {resamples: 200}": "gate: {resamples: 200, margin: 0.01}"})
    assert ran(result) == []
    assert result.verdict == "keep"
    assert result.flow_run is not None


def test_garbage_in_hidden_labels_changes_nothing_that_is_trained_or_predicted(again):
    records, labels = (
        pq.read_table(again / "data" / f"{n}.parquet") for n in ("records", "labelled")
    )
    visible, splits = labels["visible"].to_pylist(), records["split"].to_pylist()
    truth = records["label"].to_pylist()
    garbage = [
        "circle" if s == "train" and not v else t
        for s, v, t in zip(splits, visible, truth, strict=True)
    ]
    assert garbage != truth
    column = records.schema.get_field_index("label")
    pq.write_table(
        records.set_column(column, "label", pa.array(garbage)), again / "data" / "records.parquet"
    )
    assert set(ran(changed(again, {}))) <= {"validate", "encode"}


def test_added_records_alone_are_encoded(again):
    shutil.rmtree(again / "data")
    tiny.make(again / "data", records=280)
    cache = again / "home" / "cache" / "features"
    before = sum(p.stat().st_size for p in cache.rglob("*") if p.is_file())
    result = changed(again, {})
    grown = sum(p.stat().st_size for p in cache.rglob("*") if p.is_file()) / before
    assert "encode" in ran(result)
    assert 1.0 < grown < 1.5  # 40 records more than 240, not 280 more


def test_a_version_that_was_rolled_back_is_not_promoted_by_the_same_run(again):
    other = {"labeller: {name: fixed}": "labeller: null"}
    home = Home(root=again / "home")
    second = changed(again, other)
    Promotion(home, "tiny").promote(
        second.model_version,
        actor="test",
        reason="try it",
        time="2026-01-01T00:00:00+00:00",
    )
    Promotion(home, "tiny").rollback(actor="test", reason="no", time="2026-01-02T00:00:00+00:00")
    result = changed(again, other)
    assert result.verdict != "promote"
    assert Promotion(home, "tiny").champion().version == 1


def killed_at(step, path, home):
    """Run in a process of its own, which is killed when it begins a step; the steps it skipped."""
    command = [sys.executable, "-m", "flows.cli", "run", str(path)]
    environment = os.environ | {"CONCORD_HOME": str(home)}
    told, skipped = "", []
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stderr:
            if line.strip() in STEPS:
                told = line.strip()
            elif line.startswith("  skipped"):
                skipped.append(told)
            if told == step:
                process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return skipped


def test_a_killed_run_goes_on_from_its_finished_steps_and_two_at_once_take_turns(first, tmp_path):
    path, home = first[0], tmp_path / "home"
    assert killed_at("encode", path, home) == []
    assert killed_at("train", path, home) == ["validate"]
    command = [sys.executable, "-m", "flows.cli", "run", str(path), "--json"]
    environment = os.environ | {"CONCORD_HOME": str(home)}
    both = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for _ in range(2)
    ]
    found = {
        value["verdict"]: value
        for value in (json.loads(p.communicate(timeout=200)[0]) for p in both)
    }
    assert found.keys() == {"nothing changed", "promote"}
    steps = found["promote"]["steps"]
    assert [s["name"] for s in steps if s["status"] == "ran"] == STEPS[STEPS.index("train") :]
    assert all(s["status"] == "skipped" for s in found["nothing changed"]["steps"])


@pytest.mark.parametrize(
    ("error", "tries"), [(ConnectionResetError("gone"), 2), (ValueError("a bug"), 1)], ids=repr
)
def test_a_step_is_tried_again_where_the_machine_failed_and_says_so(
    again, monkeypatch, capsys, error, tries
):
    from flows import retrain
    from flows.runs import session

    real, calls = session.execute, []

    def fails_once(step, *rest):
        calls.append(step.name)
        if step.name == "package" and calls.count("package") == 1:
            raise error
        return real(step, *rest)

    monkeypatch.setattr(session, "execute", fails_once)
    monkeypatch.setattr(retrain, "_DELAYS", [0.0, 0.0])
    margin = {"gate: {resamples: 200}": "gate: {resamples: 200, margin: 0.02}"}
    if tries == 1:
        with pytest.raises(ValueError, match="a bug"):
            changed(again, margin)
    else:
        result = changed(again, margin)
        reason = next(s.reason for s in result.steps if s.name == "package")
        assert reason == "same key; try 2 of 3"
        assert "ConnectionResetError: gone" in capsys.readouterr().err
    assert calls.count("package") == tries
