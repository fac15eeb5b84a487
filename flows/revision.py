"""Which revision of the data a run saw: the Git commit and the entry of ``dvc.lock`` that made it."""

import subprocess
from pathlib import Path

import yaml

from components.home import CHECKOUT


def data_revision(data: Path, checkout: Path = CHECKOUT) -> str | None:
    """``<commit>:<md5>`` of a data set that ``dvc.lock`` lists, ``<md5>`` without Git; None where DVC does not know it."""
    lock = checkout / "dvc.lock"
    if not lock.is_file() or not data.is_relative_to(checkout):
        return None
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
    outs = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", []) if "md5" in out}
    md5 = outs.get(data.relative_to(checkout).as_posix())
    if md5 is None:
        return None
    commit = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return f"{commit.stdout.strip()}:{md5}" if commit.returncode == 0 else md5
