"""The data revision in a run's record is DVC's own."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.runs.revision import data_revision, dvc_hash


@pytest.fixture
def repository(tmp_path):
    """A Git and DVC repository that tracks one folder."""
    folder = tmp_path / "data" / "set"
    folder.mkdir(parents=True)
    (folder / "b.txt").write_text("two")
    (folder / "a").mkdir()
    (folder / "a" / "é.bin").write_bytes(b"\x00\x01")
    dvc = str(Path(sys.executable).with_name("dvc"))
    stage = {"stages": {"make": {"cmd": "true", "outs": [{"data/set": {"persist": True}}]}}}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump(stage))
    for command in (
        ["git", "init", "-q"],
        [
            "git",
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
        [dvc, "init", "-q"],
        [dvc, "config", "core.analytics", "false"],
        [dvc, "commit", "-q", "-f", "make"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_the_hash_is_what_dvc_writes(repository):
    lock = yaml.safe_load((repository / "dvc.lock").read_text())
    wanted = lock["stages"]["make"]["outs"][0]["md5"]
    assert dvc_hash(repository / "data" / "set") == wanted
    commit, md5 = data_revision(repository / "data" / "set", repository).split(":")
    assert md5 == wanted
    assert len(commit) == 40


def test_changed_data_has_no_revision(repository):
    (repository / "data" / "set" / "b.txt").write_text("three")
    assert data_revision(repository / "data" / "set", repository) is None
