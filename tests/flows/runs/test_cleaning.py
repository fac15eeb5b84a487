"""The content that remains after old runs are cleaned."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.config.home import Home
from components.core.content import free
from flows.cli import app
from flows.runs.cleaning import unneeded
from flows.runs.records import RunRecord

BEFORE, START, AFTER = 1_000_000.0, 2_000_000.0, 3_000_000.0
ENCODER = "e" * 64
CODE = "c" * 16


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path)


def kept(*keys: str) -> RunRecord:
    """A run that began at ``START``."""
    return RunRecord(
        run_id="r",
        name="m",
        started="1970-01-24T03:33:20+00:00",
        pid=os.getpid(),
        config={},
        config_path="c.yaml",
        data_digest="d",
        steps=[{"key": key} for key in keys],
    )


def written(folder: Path, at: float, text: str = "1234", name: str = "file") -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    for place in (folder / name, folder):
        os.utime(place, (at, at))
    return folder


def test_one_machines_packages_stay_for_rollbacks(home: Home) -> None:
    package = written(home.packages / "old", BEFORE)
    assert unneeded(home, [kept()]) == []
    assert package.exists()


@pytest.mark.parametrize("store", ["cache/features", "packages", "checkpoints"])
def test_what_was_written_before_the_first_kept_run_goes(home: Home, store: str) -> None:
    home = replace(home, database="postgresql://x", server="http://y")
    old = written(home.root / store / "old", BEFORE)
    new = written(home.root / store / "new", AFTER)
    assert free(unneeded(home, [kept()])) == 4
    assert (old.exists(), new.exists()) == (False, True)


def test_step_outputs_stay_by_key_whatever_their_age(home: Home) -> None:
    named = written(home.steps / "teach" / "named", BEFORE)
    other = written(home.steps / "teach" / "other", AFTER)
    free(unneeded(home, [kept("named")]))
    assert (named.exists(), other.exists()) == (True, False)


def test_cached_features_of_an_output_that_stays_are_kept(home: Home) -> None:
    used = written(home.cache / "features" / f"{ENCODER}-{CODE}", BEFORE)
    meta = f'{{"modalities": {{"text": {{"digest": "{ENCODER}"}}}}}}'
    written(home.steps / "encode" / "key", BEFORE, meta, name="features.json")
    free(unneeded(home, [kept("key")]))
    assert used.exists()
    free(unneeded(home, [kept()]))
    assert not used.exists()


def test_the_memo_of_file_digests_stays(home: Home) -> None:
    memo = home.cache / "digests.json"
    written(home.cache, BEFORE, name="digests.json")
    free(unneeded(home, [kept()]))
    assert memo.exists()


def test_what_would_be_removed_is_said_before(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run frees nothing and says the sum that the real one then frees."""
    old = written(home.root / "checkpoints" / "old", BEFORE)
    monkeypatch.setenv("CONCORD_HOME", str(home.root))
    would = CliRunner().invoke(app, ["runs", "clean", "--dry-run", "--json"])
    assert old.exists()
    does = CliRunner().invoke(app, ["runs", "clean", "--json"])
    assert not old.exists()
    said = [json.loads(done.stdout)["freed_bytes"] for done in (would, does)]
    assert said == [4, 4]
