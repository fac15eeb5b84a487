"""Registry and promotions of a team: PostgreSQL and an MLflow server, used from two machines."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from components.config.home import Home, find
from components.core.errors import UserError
from components.core.refs import digest_folder
from components.registry.ledger import Ledger
from components.registry.mlflow_client import Store
from components.registry.mlflow_runs import record_run
from components.registry.mlflow_store import Registry
from components.registry.promotion import Promotion
from tests import servers
from tests.postgres import postgres

pytestmark = [
    # MLflow's own query on SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:.*noload.* loader strategy:DeprecationWarning"),
    # MLflow warns of its own type hints when `mlflow.pyfunc` is imported.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
NOW = "2026-01-02T03:04:05+00:00"
PERSON = {"actor": "ada", "reason": "it is better", "time": NOW}


@pytest.fixture(scope="module")
def server():
    with servers.mlflow(postgres()) as address:
        yield address


@pytest.fixture
def machines(server, tmp_path, monkeypatch):
    """Two state folders of one team; restores the environment that MLflow changes."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("CONCORD_DATABASE_URL", postgres().schema())
    return find(tmp_path / "here"), find(tmp_path / "there")


def packages(folder, *contents):
    made = []
    for content in contents:
        package = folder / content
        (package / "index").mkdir(parents=True)
        (package / "weights.safetensors").write_text(content)
        (package / "index" / "ids.parquet").write_text("ids")
        made.append(package)
    return made


def registered(home, name, made):
    """Versions 1, 2, ... of a model; a name of its own for each test, since the server is one."""
    run = record_run(
        Store(home),
        name,
        name,
        params={"a": 1},
        metrics={"b": 0.5},
        tags={},
        artifacts={"report": made[0]},
    )
    modalities = {"name": "text"}
    return [
        Promotion(home, name).register(
            p, package_digest=digest_folder(p), run=run, modalities=modalities, time=NOW
        )
        for p in made
    ]


def test_what_one_machine_registers_another_fetches_verified_and_its_promotion_is_everybodys(
    machines, tmp_path
):
    here, there = machines
    made = packages(tmp_path, "one", "two")
    one, two = registered(here, "fetched", made)
    assert (one.version, two.version) == (1, 2)
    assert [v.version for v in Promotion(there, "fetched").versions().all()] == [1, 2]
    assert (
        registered(there, "fetched", made) == Promotion(there, "fetched").versions().all()
    )  # the same packages keep their versions
    Promotion(here, "fetched").promote(2, **PERSON)
    Promotion(there, "fetched").promote(1, **PERSON)
    assert (
        Registry(here).champion("fetched").version
        == Promotion(here, "fetched").champion().version
        == 1
    )
    assert Promotion(here, "fetched").rollback(**PERSON) == two
    fetched = Promotion(there, "fetched").package_of(Promotion(there, "fetched").champion())
    assert digest_folder(fetched) == digest_folder(made[1])
    assert there.root in fetched.parents
    shutil.rmtree(tmp_path / "two")
    assert (
        Promotion(there, "fetched").package_of(Promotion(there, "fetched").champion()) == fetched
    )  # not loaded again
    for entry in Ledger(here.ledger).entries("fetched"):
        assert str(tmp_path) not in str(entry)
    assert not [
        p
        for home in machines
        for p in home.root.rglob("*")
        if p.suffix in (".db", ".sqlite", ".lock")
    ]


def test_an_artifact_that_is_not_what_was_registered_is_refused_and_not_kept(machines, tmp_path):
    here, there = machines
    run = record_run(Store(here), "wrong", "wrong", params={}, metrics={}, tags={}, artifacts={})
    (package,) = packages(tmp_path, "right")
    version = Promotion(here, "wrong").register(
        package, package_digest="0" * 64, run=run, modalities={"name": "text"}, time=NOW
    )
    with pytest.raises(UserError, match=f"its digest is {digest_folder(package)}, wanted 0000"):
        Promotion(there, "wrong").package_of(version)
    assert not list(there.root.rglob("weights.safetensors"))


def test_an_alias_that_another_machine_left_behind_is_mended(machines, tmp_path):
    here, there = machines
    registered(here, "mended", packages(tmp_path, "one", "two"))
    Promotion(here, "mended").promote(1, **PERSON)
    Promotion(here, "mended").promote(2, **PERSON)
    Registry(there).set_alias("mended", "champion", 1)
    assert Promotion(here, "mended").reconcile()
    assert not Promotion(there, "mended").reconcile()
    assert Registry(here).champion("mended").version == 2


def test_two_machines_at_once_leave_one_champion(machines, tmp_path):
    registered(machines[0], "raced", packages(tmp_path, "one", "two"))

    def promote_often(number):
        for _ in range(3):
            Promotion(machines[number], "raced").promote(number + 1, **PERSON)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(promote_often, (0, 1)))
    promoted = [e.version for e in Ledger(machines[0].ledger).entries("raced", "promotion")]
    assert all(a != b for a, b in pairwise(promoted))
    assert Registry(machines[0]).champion("raced").version == promoted[-1]


def test_a_server_that_does_not_answer_is_one_sentence_without_its_password(machines, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = replace(machines[0], server="http://ada:secret@127.0.0.1:1")
    with pytest.raises(
        UserError,
        match=r"cannot use the MLflow server http://127\.0\.0\.1:1: .*MLFLOW_TRACKING_URI",
    ) as caught:
        Registry(away).versions("m")
    assert "secret" not in str(caught.value)


def test_a_server_needs_no_preparing(tmp_path):
    Store(Home(root=tmp_path / "home", database="x", server="http://127.0.0.1:1")).prepare()
    assert not (tmp_path / "home").exists()
