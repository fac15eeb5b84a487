"""Work is tried again where the machine was at fault, and only there."""

import errno
import subprocess
from concurrent.futures.process import BrokenProcessPool

import httpx
import pytest
import requests

from components.core.errors import BadInput, Interrupted, MachineError, UsageError, UserError
from components.core.transient import is_transient


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(), ConnectionRefusedError(), BrokenPipeError(), TimeoutError(),
        OSError(errno.EIO, "disk"), OSError(errno.ESTALE, "share"), OSError(errno.EAGAIN, "busy"),
        subprocess.CalledProcessError(-9, "killed"), BrokenProcessPool(),
        requests.exceptions.ConnectionError(), requests.exceptions.ReadTimeout(),
        httpx.ConnectError("away"), httpx.ReadTimeout("slow"), MachineError("away"),
        caused(RuntimeError("wrapped"), ConnectionResetError()),
    ],
    ids=repr,
)  # fmt: skip
def test_what_the_machine_caused_may_pass(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        UserError("typo"), UsageError("typo"), BadInput("x", "y", "z"), Interrupted(),
        ValueError("bug"), KeyError("bug"), AssertionError(), MemoryError(), FileNotFoundError(),
        OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "quota"), PermissionError(),
        OSError(errno.EROFS, "read-only"), subprocess.CalledProcessError(1, "failed"),
        KeyboardInterrupt(), SystemExit(1), caused(UserError("said"), ConnectionResetError()),
        requests.exceptions.InvalidURL(), None,
    ],
    ids=repr,
)  # fmt: skip
def test_what_a_person_must_mend_is_not_tried_again(error):
    assert not is_transient(error)
