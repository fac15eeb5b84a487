"""Servers that outlive the command that started them are found and stopped by process id."""

import os
import shutil
import signal

import pytest

from components.core.errors import UserError
from tools.testcluster import processes


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "RUN", tmp_path / "run")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "logs")


@pytest.fixture
def sleeper():
    pid = processes.start("sleeper", [shutil.which("sleep"), "600.25"])
    yield pid
    processes.stop("sleeper")


def test_a_started_server_is_found_and_not_started_twice(sleeper):
    assert processes.pid_of("sleeper") == sleeper
    assert processes.start("sleeper", [shutil.which("sleep"), "600.25"]) == sleeper
    assert processes.known() == ["sleeper"]


def test_a_killed_server_does_not_run_and_starts_again_as_it_was(sleeper):
    os.kill(sleeper, signal.SIGKILL)
    os.waitpid(sleeper, 0)
    assert processes.pid_of("sleeper") is None
    assert not processes.stop("sleeper")
    again = processes.start_again("sleeper")
    assert processes.command_of(again)[1:] == ["600.25"]


def test_a_server_whose_note_was_lost_is_found_by_its_command(sleeper):
    (processes.RUN / "sleeper.json").unlink()
    assert processes.pid_of("sleeper") is None
    assert processes.start("sleeper", [shutil.which("sleep"), "600.25"]) == sleeper
    assert processes.pid_of("sleeper") == sleeper


def test_a_process_that_got_the_number_of_a_dead_server_is_not_taken_for_it(sleeper):
    note = processes.RUN / "sleeper.json"
    note.write_text(note.read_text().replace(f'"pid": {sleeper}', f'"pid": {os.getpid()}'))
    assert processes.pid_of("sleeper") is None
    note.write_text(note.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {sleeper}'))


def test_a_server_that_takes_no_notice_is_stopped_by_force():
    deaf = [shutil.which("sh"), "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
    pid = processes.start("deaf", deaf)
    log = processes.LOGS / "deaf.log"
    while "deaf" not in log.read_text():
        pass
    assert processes.stop("deaf", wait_s=0.3)
    assert processes.pid_of("deaf") is None
    assert processes.command_of(pid) == []


def test_what_never_ran_cannot_start_again():
    with pytest.raises(UserError, match="got 'etcd', wanted a server that was started before"):
        processes.start_again("etcd")
