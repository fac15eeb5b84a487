"""Runs of the whole loop on the tiny data set, in this process."""

import os
from pathlib import Path

from flows.run import run
from flows.runs.result import RunResult


def outcome(path: Path, home: Path) -> RunResult:
    """Run a configuration with a state folder of its own."""
    os.environ["CONCORD_HOME"] = str(home)
    try:
        return run(path)
    finally:
        del os.environ["CONCORD_HOME"]
