"""Runs of the whole loop on the tiny data set, in this process."""

from pathlib import Path

import pytest

from flows.run import run
from flows.runs.result import RunResult


def outcome(path: Path, home: Path) -> RunResult:
    """Run a configuration with a state folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCORD_HOME", str(home))
        return run(path)
