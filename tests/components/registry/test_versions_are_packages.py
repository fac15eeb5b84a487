"""A version is its package: no loss in MLflow lets a package pass that no gate compared."""

import shutil

import numpy as np
import pytest

from components.config.home import find
from components.config.run import GateConfig
from components.core.refs import digest_folder
from components.registry.gate import Rows, decide
from components.registry.mlflow_client import Store
from components.registry.mlflow_runs import record_run
from components.registry.mlflow_store import Registry
from components.registry.promotion import Promotion
from tests.stores import prepared, state

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*noload.* loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
NOW = "2026-01-02T03:04:05+00:00"


def register(home, content, say=lambda _: None):
    """Register a package of one file, as a run does."""
    package = home.root.parent / f"package-{content}"
    package.mkdir(exist_ok=True)
    (package / "weights.safetensors").write_text(content)
    run = record_run(Store(home), "things", content, params={}, metrics={}, tags={}, artifacts={})
    return Promotion(home, "things", say).register(
        package,
        package_digest=digest_folder(package),
        run=run,
        modalities={"name": "text"},
        time=NOW,
    )


def promote_first(home, version):
    labels = np.array(["a", "b"] * 50)
    wrong = np.repeat("wrong", len(labels))
    rows = Rows(labels=labels, challenger=labels, champion=wrong, majority=wrong)
    decision = decide(
        rows,
        challenger=version.package_digest,
        champion=None,
        rows_digest="rows",
        config=GateConfig(resamples=100),
    )
    assert Promotion(home, "things").apply(decision, version, time=NOW).changed


def lose_everything(home):
    """An empty store, as after the folder was deleted, or at a new server."""
    shutil.rmtree(home.root / "mlflow")
    (home.root / "mlflow").mkdir()
    lose_the_database(home)


def lose_the_database(home):
    shutil.copy(prepared() / "mlflow" / "mlflow.db", home.root / "mlflow" / "mlflow.db")


def delete_the_model(home):
    Store(home).client().delete_registered_model("things")


def delete_the_version(home):
    client = Store(home).client()
    client.delete_registered_model_alias("things", "champion")
    client.delete_model_version("things", "1")


def delete_the_experiment(home):
    client = Store(home).client()
    client.delete_experiment(client.get_experiment_by_name("things").experiment_id)


def delete_the_run(home):
    client = Store(home).client()
    (experiment,) = [e for e in client.search_experiments() if e.name == "things"]
    for run in client.search_runs([experiment.experiment_id]):
        client.delete_run(run.info.run_id)


LOSSES = [
    lose_everything,
    lose_the_database,
    delete_the_model,
    delete_the_version,
    delete_the_experiment,
    delete_the_run,
]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_champion_stays_the_package_that_was_promoted(tmp_path, loss):
    home = state(tmp_path / "home")
    good = register(home, "good")
    promote_first(home, good)
    # At another place, since MLflow keeps the databases of this process open.
    home = find(shutil.copytree(home.root, tmp_path / "later"))
    loss(home)
    bad = register(home, "bad")
    assert bad.version > good.version
    champion = Promotion(home, "things").champion()
    assert (champion.version, champion.package_digest) == (1, good.package_digest)
    assert digest_folder(Promotion(home, "things").package_of(champion)) == good.package_digest
    assert Promotion(home, "things").settled(bad, "evidence") is None  # the gate must compare
    Promotion(home, "things").reconcile()
    assert Registry(home).champion("things").package_digest == good.package_digest


def test_what_was_lost_is_told(tmp_path):
    home, told = state(tmp_path / "home"), []
    register(home, "good")
    home = find(shutil.copytree(home.root, tmp_path / "later"))
    lose_everything(home)
    register(home, "bad", told.append)
    assert any("does not have version 1" in line for line in told)


def files(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_copied_home_writes_nothing_into_the_first_one(tmp_path):
    first = state(tmp_path / "first")
    promote_first(first, register(first, "good"))
    shutil.copytree(first.root, tmp_path / "copy")
    before = files(first.root)
    copy = find(tmp_path / "copy")
    assert register(copy, "other").version == 2
    assert Promotion(copy, "things").champion().version == 1
    assert files(first.root) == before


def test_a_home_that_was_moved_goes_on(tmp_path):
    first = state(tmp_path / "first")
    good = register(first, "good")
    promote_first(first, good)
    first.root.rename(tmp_path / "moved")
    moved = find(tmp_path / "moved")
    assert register(moved, "other").version == 2
    assert Promotion(moved, "things").champion().package_digest == good.package_digest
    assert not (tmp_path / "first").exists()


def test_a_home_is_the_same_through_a_link(tmp_path):
    real = state(tmp_path / "disk" / "home")
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    linked = find(tmp_path / "link" / "home")
    promote_first(linked, register(linked, "good"))
    assert register(real, "other").version == 2
    assert Promotion(real, "things").champion().version == 1
    assert Registry(linked).champion("things").version == 1
