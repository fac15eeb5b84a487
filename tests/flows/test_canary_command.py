"""``concord canary``: what is tried beside the champion, and how a trial ends."""

import pytest

from flows.commands import canary as command
from serving.store import beside
from serving.store.beside import Chosen
from serving.store.database import Database


@pytest.fixture
def both(tmp_path, monkeypatch):
    """What is tried, as a function, where a version is both a canary and a shadow."""
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    monkeypatch.setattr(command, "only_model", lambda _home, name: name)
    with Database(tmp_path / "store.sqlite") as database:
        for role in beside.ROLES:
            beside.choose(database, "m", role, Chosen(version=2, package_digest="2", share=0.1))
        yield lambda: set(beside.read(database, "m"))


def test_off_ends_the_whole_trial(both):
    assert both() == {"canary", "shadow"}
    told = command.canary("m", None, share=0.1, shadow=False, off=True)
    assert both() == set()
    assert told.text == "no version is on trial"


def test_off_with_shadow_ends_the_shadow_alone(both):
    command.canary("m", None, share=0.1, shadow=True, off=True)
    assert both() == {"canary"}
