"""Run records and the lock on a home."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from components.config.home import Home
from components.core.errors import UserError
from flows.runs.records import RunRecord, Runs, exclusive


@pytest.fixture
def home(tmp_path):
    return Home(root=tmp_path)


def record(run_id="20260101-000000-aaaaaa", **changes):
    base = RunRecord(
        run_id=run_id,
        name="m",
        started="",
        pid=os.getpid(),
        config={},
        config_path="c.yaml",
        data_digest="d",
    )
    return replace(base, **changes)


def test_the_newest_run_comes_first_and_is_latest(home):
    runs = Runs(home)
    for run_id in ("20260101-000000-aaaaaa", "20260102-000000-bbbbbb"):
        runs.write(record(run_id))
    assert [r.run_id[:8] for r in runs.all()] == ["20260102", "20260101"]
    assert runs.get("latest").run_id.startswith("20260102")
    assert runs.get("20260101").run_id.endswith("aaaaaa")


def test_an_unknown_run_is_refused_with_the_known_ones(home):
    Runs(home).write(record())
    with pytest.raises(UserError, match=r"unknown run 'nope'.*20260101"):
        Runs(home).get("nope")


def test_a_run_whose_process_is_gone_reads_as_interrupted(home):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    Runs(home).write(record(pid=gone.pid))
    assert Runs(home).get("latest").status == "interrupted"


def test_cancel_interrupts_the_process(home):
    code = (
        "import time\n"
        "try:\n  print('up', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n  raise SystemExit(7)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        Runs(home).write(record(pid=process.pid))
        Runs(home).cancel("latest")
        assert process.wait(10) == 7


def test_a_finished_run_cannot_be_cancelled(home):
    Runs(home).write(record(status="finished"))
    with pytest.raises(UserError, match="is finished, not running"):
        Runs(home).cancel("latest")


def test_a_second_run_on_one_home_is_told_who_holds_it_and_a_kill_frees_it(home):
    code = (
        "import sys, time; from pathlib import Path; "
        "from components.config.home import Home; from flows.runs.records import exclusive\n"
        f"with exclusive(Home(root=Path({str(home.root)!r})), wait=False): "
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with (
            pytest.raises(UserError, match=f"in use by process {process.pid}"),
            exclusive(home, wait=False),
        ):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    start = time.monotonic()
    with exclusive(home, wait=True):
        assert time.monotonic() - start < 5


def elsewhere(home, **changes):
    """A running record of another machine with one of our process ids."""
    return Runs(home).write(record(pid=os.getpid(), host="pod-1", flow_run="f-1", **changes))


def test_a_run_of_another_pod_is_alive_only_while_its_process_holds_the_lock(home):
    elsewhere(home)
    assert Runs(home).get("latest").status == "interrupted"
    with exclusive(home, wait=False):
        assert Runs(home).get("latest").status == "interrupted"  # another one holds it
        (home.root / "run.holder").write_text(f"process {os.getpid()} on pod-1 since 2026\n")
        assert Runs(home).get("latest").status == "running"
        (home.root / "run.holder").write_text(f"process {os.getpid()}0 on pod-1 since 2026\n")
        assert Runs(home).get("latest").status == "interrupted"
        (home.root / "run.holder").write_text(f"process {os.getpid()} on pod-1 since 2026\n")
    assert Runs(home).get("latest").status == "interrupted"  # its pod was killed: the lock is free


def test_a_run_of_another_pod_is_not_cancelled_by_its_number_here(home):
    elsewhere(home)
    with exclusive(home, wait=False):
        (home.root / "run.holder").write_text(f"process {os.getpid()} on pod-1 since 2026\n")
        with pytest.raises(UserError, match=r"pod-1.*prefect flow-run cancel f-1"):
            Runs(home).cancel("latest")


def test_a_record_of_before_there_were_hosts_is_read(home):
    path = home.runs / "20260101-000000-aaaaaa" / "run.json"
    Runs(home).write(record())
    path.write_text(path.read_text().replace(' "host": "",\n', ""))
    assert Runs(home).get("latest").status == "running"
