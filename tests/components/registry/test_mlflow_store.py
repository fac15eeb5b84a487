"""The registry on a real MLflow store in a temporary folder."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from components.config.home import Home
from components.core.errors import UserError
from components.registry.mlflow_client import Store
from components.registry.mlflow_runs import record_run
from components.registry.mlflow_store import Registry
from components.registry.versions import CHAMPION
from tests.packaged import packed
from tests.stores import prepared, state

pytestmark = [
    # MLflow's own query on SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:.*noload.* loader strategy:DeprecationWarning"),
    # MLflow warns of its own type hints when `mlflow.pyfunc` is imported.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

ROOT = Path(__file__).parents[3]
MODALITIES = {"picture": "bytes", "name": "text", "facts": "fields"}


@pytest.fixture
def registry(tmp_path):
    return Registry(state(tmp_path / "home"))


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    (folder / "index").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "index" / "ids.parquet").write_bytes(b"ids")
    return folder


def record(registry, run_id="run-1", **changes):
    parts = {
        "params": {"model": {"dim": 8}},
        "metrics": {"accuracy": 0.5},
        "tags": {},
        "artifacts": {},
    } | changes
    return record_run(registry.store, "things", run_id, **parts)


def register(registry, package, digest, run=None):
    run = run or record(registry)
    return registry.register(
        "things", package, package_digest=digest, run=run, modalities=MODALITIES, tags={"data": "d"}
    )


def test_two_processes_prepare_one_store_and_a_killed_one_leaves_nothing_half():
    home = prepared()
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    connection.close()
    assert not list((home / "mlflow").glob(".mlflow*"))
    started = time.monotonic()
    Store(Home(root=home)).prepare()
    assert time.monotonic() - started < 1


def test_reading_a_missing_store_finds_nothing_and_makes_nothing(tmp_path):
    registry = Registry(Home(root=tmp_path / "home"))
    assert registry.versions("things") == []
    assert registry.champion("things") is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_recorded_once_with_its_figures_and_files(registry, tmp_path):
    from mlflow import MlflowClient

    report = tmp_path / "report" / "report.html"
    report.parent.mkdir()
    report.write_text("<p>report</p>")
    changes = {
        "params": {
            "model": {"dim": 8, "fusion": {"name": "gated"}},
            **{f"p{i}": i for i in range(150)},
        },
        "metrics": {
            "by_subset": {"image+text": {"accuracy": 0.75}},
            "retrieval": {"text->image": {"recall@10": 0.5}},
            "a": "b",
        },
        "tags": {"data_digest": "d1"},
        "artifacts": {"report": report, "": report.parent},
    }
    first, second = record(registry, **changes), record(registry, **changes)
    assert first == second != record(registry, "run-2")
    run = MlflowClient(registry.store.uri, registry.store.uri).get_run(first)
    assert run.data.params["model.fusion.name"] == "gated"
    assert len(run.data.params) == 152
    assert run.data.metrics == {
        "by_subset.image_and_text.accuracy": 0.75,
        "retrieval.text_to_image.recall_at_10": 0.5,
    }
    assert run.data.tags["data_digest"] == "d1"
    assert run.info.status == "FINISHED"
    assert Path(run.info.artifact_uri, "report", "report.html").read_text() == "<p>report</p>"
    assert Path(run.info.artifact_uri, "report.html").is_file()


def test_a_run_whose_recording_was_cut_off_is_completed(registry, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setattr(
        MlflowClient, "set_terminated", lambda *_: (_ for _ in ()).throw(RuntimeError("cut off"))
    )
    with pytest.raises(RuntimeError, match="cut off"):
        record(registry)
    monkeypatch.undo()
    again = record(registry)
    client = MlflowClient(registry.store.uri, registry.store.uri)
    experiment = client.get_experiment_by_name("things").experiment_id
    assert [r.info.run_id for r in client.search_runs([experiment])] == [again]
    assert client.get_run(again).info.status == "FINISHED"


def test_a_package_becomes_one_version_with_signature_and_without_pickle(registry, package):
    from mlflow.models import get_model_info

    assert [register(registry, package, d) for d in ("one", "two", "one")] == [1, 2, 1]
    one, two = registry.versions("things")
    assert (one.package_digest, two.package_digest) == ("one", "two")
    assert one.tags["data"] == "d"
    assert one.aliases == two.aliases == []
    assert sorted(p.name for p in one.package.rglob("*") if p.is_file()) == [
        "ids.parquet",
        "weights.safetensors",
    ]
    assert not [p for p in registry.store.artifacts.rglob("*.pkl")]
    described = yaml.safe_load((one.package.parent / "MLmodel").read_text())
    assert described["flavors"]["python_function"]["loader_module"] == "components.registry"
    signature = get_model_info(str(one.package.parent)).signature
    assert {c.name: c.required for c in signature.inputs} == dict.fromkeys(MODALITIES, False)
    assert [c.name for c in signature.outputs] == ["label", "confidence", "probabilities"]


def test_aliases_move_and_mlflow_itself_sees_them(registry, package):
    from mlflow import MlflowClient

    register(registry, package, "one")
    register(registry, package, "two")
    assert registry.champion("things") is None
    for version in (1, 2, 1):
        registry.set_alias("things", CHAMPION, version)
        assert registry.champion("things").version == version
        seen = MlflowClient(registry.store.uri, registry.store.uri).get_model_version_by_alias(
            "things", "champion"
        )
        assert int(seen.version) == version
    registry.set_alias("things", CHAMPION, None)
    assert registry.champion("things") is None


def test_a_home_that_cannot_be_written_is_one_clear_sentence(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(UserError, match="CONCORD_HOME"):
        Store(Home(root=tmp_path / "home")).prepare()


def test_importing_the_registry_does_not_import_mlflow():
    code = "import sys, components.registry.mlflow_store; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_mlflow_itself_answers_with_a_version_as_the_package_does(registry):
    import mlflow
    import pandas as pd

    from components.prediction.predictor import Predictor

    source, package = packed().source, packed().package
    rows = [source.raw(row) for row in range(6)]
    modalities = {"image": "bytes", "text": "text", "facts": "fields"}
    registry.register(
        "things", package, package_digest="p", run=record(registry), modalities=modalities
    )
    registry.set_alias("things", CHAMPION, 1)
    model = mlflow.pyfunc.load_model("models:/things@champion")
    asked = pd.DataFrame(
        [{name: row.get(name) for name in modalities} for row in rows], dtype=object
    )
    answers = model.predict(asked)
    for answer, wanted in zip(
        answers.to_dict("records"), Predictor.load(package).predict(rows), strict=True
    ):
        assert answer["label"] == wanted.label
        assert answer["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-6)


@pytest.mark.parametrize("name", ["a b#c", "100%20 %zz", "q?r"])
def test_a_home_of_any_name_keeps_everything_below_it(tmp_path, package, name):
    """MLflow reads ``%`` in a location, and SQLAlchemy a question mark, as in an address."""
    home = state(tmp_path / name / "home")
    registry = Registry(home)
    register(registry, package, "digest")
    (version,) = registry.versions("things")
    assert (version.package / "weights.safetensors").read_bytes() == b"weights"
    assert version.package.is_relative_to(home.root)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "package"])
