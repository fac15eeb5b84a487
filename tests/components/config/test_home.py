"""A home is one folder, or a folder and two servers; errors for anything else."""

import pytest

from components.config.home import find
from components.core.errors import UsageError
from flows import engines

DATABASE, SERVER = "postgresql://ada:secret@db:5432/concord", "http://mlflow:5000"


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in (
        "CONCORD_DATABASE_URL",
        "MLFLOW_TRACKING_URI",
        "PREFECT_API_URL",
        "KUBERNETES_SERVICE_HOST",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))


def test_without_addresses_all_state_is_below_the_folder(tmp_path):
    home = find()
    assert (home.root, home.ledger, home.server) == (
        tmp_path / "home",
        tmp_path / "home" / "ledger.sqlite",
        None,
    )


def test_a_teams_addresses_are_taken_and_never_shown(monkeypatch):
    monkeypatch.setenv("CONCORD_DATABASE_URL", DATABASE)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    home = find()
    assert (home.ledger, home.server) == (DATABASE, SERVER)
    assert "secret" not in repr(home)


def test_mlflows_own_local_address_is_none_of_a_team(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert find().server is None


@pytest.mark.parametrize(
    ("database", "server", "words"),
    [
        (DATABASE, "", "CONCORD_DATABASE_URL names a server and MLFLOW_TRACKING_URI does not"),
        (DATABASE, "sqlite:///mlflow.db", "MLFLOW_TRACKING_URI does not"),
        ("", SERVER, "MLFLOW_TRACKING_URI names a server and CONCORD_DATABASE_URL does not"),
        ("mysql://ada:secret@db/concord", SERVER, "got 'mysql'://..., wanted postgresql://"),
    ],
)
def test_half_a_team_is_refused(monkeypatch, database, server, words):
    monkeypatch.setenv("CONCORD_DATABASE_URL", database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with pytest.raises(UsageError, match=words) as caught:
        find()
    assert "secret" not in str(caught.value)


def test_a_pod_without_servers_is_told_all_that_is_missing(monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(
        UsageError,
        match="CONCORD_DATABASE_URL and MLFLOW_TRACKING_URI and PREFECT_API_URL are not set",
    ):
        find()
    monkeypatch.setenv("CONCORD_DATABASE_URL", DATABASE)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    with pytest.raises(UsageError, match="PREFECT_API_URL is not set"):
        engines.Engines(home=find()).start()
