"""An MLflow store prepared once for all tests (migrations are slow), and homes made from it."""

import atexit
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from components.config.home import Home, find

ROOT = Path(__file__).parents[1]


def prepare(home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "components.registry.mlflow_client", "--prepare", str(home)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@cache
def prepared() -> Path:
    """A home whose store two processes made at once, after a first one was killed midway."""
    folder = Path(tempfile.mkdtemp(prefix="concord-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "home"
    killed = prepare(home)
    while not list(home.glob("mlflow/.mlflow.*.part")) and killed.poll() is None:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (home / "mlflow" / "mlflow.db").exists()
    for worker in [prepare(home), prepare(home)]:
        out, err = worker.communicate(timeout=200)
        assert (worker.returncode, out) == (0, ""), err
    return home


def state(folder: Path) -> Home:
    """A new state folder with a prepared, empty store."""
    (folder / "mlflow").mkdir(parents=True)
    shutil.copy(prepared() / "mlflow" / "mlflow.db", folder / "mlflow" / "mlflow.db")
    return find(folder)
