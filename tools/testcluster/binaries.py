"""The servers of the cluster: built from pinned Go modules into a cache outside the clone, once."""

import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.testcluster.layout import CACHE
from tools.testcluster.shell import MissingError, say, stream

MODULES = Path(__file__).parent / "binaries"
KUBERNETES = "1.35.4"
_VERSION = "k8s.io/component-base/version"
# Without them the API server reports v0.0.0, or refuses to start.
_STAMP = (
    f"-X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=35 "
    f"-X {_VERSION}.gitTreeState=clean"
)
_SHOW_EVERY_S = 15


@dataclass(frozen=True)
class Module:
    """A Go module whose files pin every version, and its programs by package."""

    name: str
    programs: dict[str, str]

    @property
    def source(self) -> Path:
        """The folder with ``go.mod`` and ``go.sum``."""
        return MODULES / self.name

    @property
    def cached(self) -> Path:
        """The cache folder of its programs, named by the digest of the pins."""
        digest = hashlib.sha256()
        for path in sorted(self.source.iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return CACHE / f"{self.name}-{digest.hexdigest()[:16]}"


KUBERNETES_MODULE = Module(
    "kubernetes",
    {
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "etcd": "go.etcd.io/etcd/server/v3",
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    },
)
COREDNS = Module("coredns", {"coredns": "."})
VERSITYGW = Module("versitygw", {"versitygw": "github.com/versity/versitygw/cmd/versitygw"})
ALL = (KUBERNETES_MODULE, COREDNS, VERSITYGW)


def binary(name: str) -> str:
    """The path of one program, built if the cache lacks it."""
    module = next(module for module in ALL if name in module.programs)
    return str(built(module) / name)


def built(module: Module) -> Path:
    """The folder with the programs of a module, built if the cache lacks it.

    Raises:
        MissingError: there is no Go.
        UserError: the build failed; the message carries its end.
    """
    if module.cached.is_dir():
        return module.cached
    if shutil.which("go") is None:
        raise MissingError(
            f"no `go` on PATH: {module.name} is built from source; install Go 1.21 or newer"
        )
    CACHE.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{module.name}.", dir=CACHE))
    try:
        for number, (program, package) in enumerate(module.programs.items(), start=1):
            say(f"building {program} ({number} of {len(module.programs)} of {module.name})")
            _build(module, package, aside / program)
        aside.chmod(0o755)
        aside.rename(module.cached)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return module.cached


def _build(module: Module, package: str, out: Path) -> None:
    flags = f"-s -w {_STAMP}" if module is KUBERNETES_MODULE else "-s -w"
    command = [
        "go",
        "build",
        "-v",
        "-mod=readonly",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        flags,
        "-o",
        str(out),
        package,
    ]
    started = time.monotonic()
    shown, compiled = started, 0

    def show(line: str) -> None:
        nonlocal shown, compiled
        compiled += 1
        if time.monotonic() - shown > _SHOW_EVERY_S:
            shown = time.monotonic()
            say(f"  {out.name}: {compiled} packages in {shown - started:.0f} s, now {line}")

    stream(command, show, cwd=module.source, env={**os.environ, "CGO_ENABLED": "0"})
    say(f"  {out.name}: built in {time.monotonic() - started:.0f} s")
