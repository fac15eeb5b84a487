"""Images from Dockerfiles: built by buildah on a local Debian base, loaded into the nodes."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.testcluster import images, machine
from tools.testcluster.layout import CACHE, NODES
from tools.testcluster.network import unmount
from tools.testcluster.shell import run, say, stream

BASE = "concord/base:dev"
STORAGE = CACHE / "buildah"  # dependency layers outlive a cluster
_SCRATCH = STORAGE / "scratch"  # gigabytes while an image is written out
_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "libgomp1", "python3", "python3-venv")
_DROPPED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "dev",
    "proc",
    "sys",
)
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf")


def image(
    name: str,
    dockerfile: Path,
    context: Path,
    arguments: Mapping[str, str],
    nodes: Iterable[str] = (),
    load: bool = True,
) -> int:
    """Build an image and load it into the nodes; its size in bytes.

    The build uses this machine's network, certificates and pip configuration, and never pulls:
    ``BASE`` defaults to the Debian base made here.

    Args:
        name: repository and tag, as pods name it.
        dockerfile: what to build.
        context: the folder that it copies from.
        arguments: build arguments.
        nodes: names of the nodes that get it; all when empty.
        load: whether nodes get it at all.
    """
    machine.require(machine.IMAGE_PACKAGES)
    with _one_at_a_time(), tempfile.TemporaryDirectory(dir=CACHE) as folder:
        _build(name, dockerfile, context, {**arguments, "BASE": arguments.get("BASE") or _base()})
        archive = Path(folder) / "image.tar"
        buildah("push", name, f"docker-archive:{archive}:{name}")
        for node in NODES if load else ():
            if not nodes or node.name in nodes:
                images.load(node, archive)
                say(f"image {name} on {node.name}")
        return archive.stat().st_size


def _build(name: str, dockerfile: Path, context: Path, arguments: Mapping[str, str]) -> None:
    command = [
        "bud",
        "--layers",
        "--network=host",
        "--pull-never",
        "--file",
        str(dockerfile),
        "--tag",
        name,
    ]
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    for path, inside in _mounts():
        command += ["--volume", f"{path}:{inside}:ro"]
    say(f"building {name} from {dockerfile}")
    stream(_buildah(*command, str(context)), say, env=_environment())


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Exclude other builds, and remove the mount that buildah leaves over its storage."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "buildah.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            unmount(STORAGE)
            shutil.rmtree(_SCRATCH, ignore_errors=True)


def buildah(*arguments: str) -> str:
    """Run buildah over the storage in the cache."""
    return run(_buildah(*arguments), env=_environment(), timeout=3600)


def _buildah(*arguments: str) -> list[str]:
    STORAGE.mkdir(parents=True, exist_ok=True)
    return [
        "buildah",
        "--root",
        str(STORAGE / "root"),
        "--runroot",
        str(STORAGE / "run"),
        *arguments,
    ]


def _environment() -> dict[str, str]:
    _SCRATCH.mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        "BUILDAH_ISOLATION": "chroot",
        "STORAGE_DRIVER": "overlay",
        "TMPDIR": str(_SCRATCH),
    }


def _base() -> str:
    """Make the base image unless the cache has it: a small Debian with its own Python."""
    recipe = repr((_SUITE, _PACKAGES, _DROPPED)).encode()
    key = f"concord/base:{hashlib.sha256(recipe).hexdigest()[:12]}"
    if key in buildah("images", "--format", "{{.Name}}:{{.Tag}}").replace("localhost/", "").split():
        return key
    say(f"making the base image: Debian {_SUITE} with {', '.join(_PACKAGES)}")
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        root = Path(folder) / "root"
        run(
            [
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(_PACKAGES)}",
                _SUITE,
                str(root),
            ],
            timeout=1800,
        )
        for name in _DROPPED:
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir()
        (root / "usr/bin/python").symlink_to("python3")
        container = buildah("from", "scratch").strip()
        buildah("copy", "--quiet", container, str(root), "/")
        buildah(
            "config",
            "--env",
            "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "--cmd",
            "/bin/sh",
            container,
        )
        buildah("commit", "--quiet", "--rm", container, key)
        buildah("tag", key, BASE)
    return key


def _mounts() -> list[tuple[Path, str]]:
    """What a build needs to reach a package index from behind this machine's proxy."""
    pip = next((path for path in _PIP if path.is_file()), None)
    found = [(_CERTIFICATES, str(_CERTIFICATES))] if _CERTIFICATES.is_file() else []
    return found + ([(pip, "/etc/pip.conf")] if pip else [])
