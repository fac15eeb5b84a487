"""One Prefect server and one finished run for all tests of the flow."""

import shutil
from contextlib import contextmanager

import pytest

from components.config.home import Home
from flows import engines
from tests import tiny
from tests.loop import outcome


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A real server on a free port; Prefect itself is imported only after its address is known."""
    with engines.started(Home(root=tmp_path_factory.mktemp("engines"))) as running:
        running.wait_for_prefect()
        yield running


@pytest.fixture(scope="session")
def first(tmp_path_factory, prefect_server):  # noqa: ARG001
    """Configuration, state folder and result of a first run; use ``again`` to change them."""
    folder = tmp_path_factory.mktemp("loop")
    path = tiny.config(folder, tiny.make(folder / "data"))
    result = outcome(path, folder / "home")
    for name in ("home", "data"):
        shutil.copytree(folder / name, folder / f"{name}.kept")
    return path, folder / "home", result


@contextmanager
def kept(folder):
    """Put the folder of the first run back afterwards.

    MLflow's folder stays as it is: its artifacts have absolute paths, and this process holds its
    database open.
    """
    yield folder
    for kept in [*(folder / "home.kept").iterdir(), folder / "data.kept"]:
        place = folder / "data" if kept.name == "data.kept" else folder / "home" / kept.name
        if kept.name == "mlflow":
            continue
        if kept.is_dir():
            shutil.rmtree(place)
            shutil.copytree(kept, place)
        else:
            shutil.copyfile(kept, place)
    tiny.config(folder, folder / "data")


@pytest.fixture
def again(first):
    """The folder of the first run for one test."""
    with kept(first[0].parent) as folder:
        yield folder


@pytest.fixture(scope="module")
def again_for_all(first):
    """The folder of the first run for the tests of a file."""
    with kept(first[0].parent) as folder:
        yield folder
