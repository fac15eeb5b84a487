"""Which process a number names: a number alone may belong to somebody else by now."""

import os
import subprocess
from pathlib import Path

_PROC = Path("/proc")


def started(pid: int) -> str:
    """When a process began, in a form that no other process of the same number ever has.

    On Linux that is the boot of the machine and the clock tick since then, which containers on one
    machine share; elsewhere the time that ``ps`` prints. Empty where neither is known.
    """
    if _PROC.is_dir():
        fields = _stat(pid)
        return f"{_boot()}:{fields[19]}" if fields else ""
    shown = subprocess.run(  # macOS has no /proc
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def is_alive(pid: int, since: str = "") -> bool:
    """Whether a process runs, and is the one that began at ``since``.

    Args:
        pid: its number.
        since: what `started` returned for it; empty for records that do not hold it, where the
            number must do.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    if _is_zombie(pid):
        return False
    now = started(pid)
    return not since or not now or now == since


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and its parent has not asked for its exit code yet."""
    fields = _stat(pid)
    return bool(fields) and fields[0] in "ZX"


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the third on; the second may hold any character."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
