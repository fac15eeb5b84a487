"""Packages that services elsewhere find: put beside the ledger, fetched and verified."""

import pytest

from components.config.home import Home
from components.core.errors import UserError
from components.core.refs import digest_folder
from components.registry import packages


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "made"
    (folder / "index").mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    (folder / "index" / "ids").write_text("a")
    return folder


def test_a_package_that_is_kept_is_found_by_a_service_of_another_machine(
    package, tmp_path, monkeypatch
):
    monkeypatch.setenv(packages.SHARED, str(tmp_path / "shared"))
    digest = digest_folder(package)
    packages.keep(Home(root=tmp_path / "trainer"), package, digest)
    found = packages.fetched(Home(root=tmp_path / "service"), digest)
    assert found is not None
    assert digest_folder(found) == digest


def test_one_that_was_changed_there_is_refused(package, tmp_path, monkeypatch):
    monkeypatch.setenv(packages.SHARED, str(tmp_path / "shared"))
    digest = digest_folder(package)
    packages.keep(Home(root=tmp_path / "trainer"), package, digest)
    next((tmp_path / "shared").rglob("model.json")).write_text('{"evil": 1}')
    with pytest.raises(UserError, match=digest[:12]):
        packages.fetched(Home(root=tmp_path / "service"), digest)


def test_without_a_shared_place_nothing_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.delenv(packages.SHARED, raising=False)
    assert packages.fetched(Home(root=tmp_path), "0" * 64) is None
