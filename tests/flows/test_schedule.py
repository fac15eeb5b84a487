"""The deployment of the flow with a cron schedule, on a real Prefect server with its scheduler."""

import os
import signal
import subprocess
import sys
import time

import pytest

from components.config.home import Home
from flows.runs.records import Runs
from tests import tiny

_SECONDS = 220


@pytest.mark.slow
def test_a_scheduled_deployment_runs_by_itself_and_stops_with_its_process(tmp_path):
    path = tiny.config(tmp_path, tiny.make(tmp_path / "data"))
    command = [sys.executable, "-m", "flows.schedule", str(path), "--cron", "* * * * *"]
    environment = os.environ | {"CONCORD_HOME": str(tmp_path / "home")}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        end = time.monotonic() + _SECONDS
        runs = Runs(Home(root=tmp_path / "home"))
        while time.monotonic() < end and not any(r.status == "finished" for r in runs.all()):
            time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    done = [r for r in runs.all() if r.status == "finished"]
    assert done, (tmp_path / "log").read_text()
    assert done[-1].verdict == "promote"
    assert done[-1].flow_run
