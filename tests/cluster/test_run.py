"""A whole run that trains in Jobs: logs reach terminal and Prefect; the place is in no key."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest
import yaml

from tests import tiny

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def concord(path, home):
    environment = os.environ | {"CONCORD_HOME": str(home)}
    command = [sys.executable, "-m", "flows.cli", "run", str(path), "--json"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout), done.stderr


def test_a_run_trains_on_the_cluster_and_finds_it_all_done_at_home(
    trainer, tmp_path, kubectl, namespace
):
    path = tiny.config(tmp_path, tiny.make(tmp_path / "data"))
    local = path.read_text()
    path.write_text(local + yaml.safe_dump({"trainer": trainer}))
    first, shown = concord(path, tmp_path / "home")
    assert first["verdict"] != "nothing changed"
    for task in ("train", "baselines"):
        assert f"submitted Job concord-{task}-" in shown
    assert "running on node" in shown

    with sqlite3.connect(tmp_path / "home" / "prefect" / "prefect.db") as database:
        logged = [row[0] for row in database.execute("select message from log")]
    assert any("submitted Job concord-train-" in line for line in logged)
    assert any("student/loss" in line for line in logged), "a line of the pod"

    assert not kubectl.json("-n", namespace, "get", "jobs")["items"]
    path.write_text(local)
    second, _ = concord(path, tmp_path / "home")
    assert second["verdict"] == "nothing changed"
