"""Revision of a run's data: the Git commit, and DVC's hash of the data."""

import hashlib
import json
import subprocess
from pathlib import Path

import yaml

from components.config.home import CHECKOUT


def data_revision(data: Path, checkout: Path = CHECKOUT) -> str | None:
    """``<commit>:<md5>`` of a data set under DVC; None if ``dvc.lock`` lacks it or it changed."""
    lock = checkout / "dvc.lock"
    if not lock.is_file() or not data.is_dir() or not data.is_relative_to(checkout):
        return None
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
    outs = {
        out["path"]: out["md5"]
        for stage in stages.values()
        for out in stage.get("outs", [])
        if "md5" in out
    }
    wanted = outs.get(data.relative_to(checkout).as_posix())
    try:
        unchanged = wanted is not None and wanted == dvc_hash(data)
    except OSError:  # a file that may not be read: DVC did not write it
        unchanged = False
    if not unchanged:
        return None
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{commit.stdout.strip()}:{wanted}" if commit.returncode == 0 else wanted


def dvc_hash(folder: Path) -> str:
    """DVC's hash of a folder: MD5 over the sorted list of its files with their MD5, and ``.dir``.

    Source: ``dvc_data.hashfile.tree.Tree.as_bytes``; a test compares it with DVC's own hash.
    """
    files = sorted((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*") if p.is_file())
    listed = [{"md5": _md5(path.read_bytes()), "relpath": name} for name, path in files]
    return _md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
