"""Images made here, without pulling: pause, and a small one that runs the checkout's Python."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.testcluster.layout import NODES, STATE, Node
from tools.testcluster.machine import BUSYBOX
from tools.testcluster.nodes import ctr
from tools.testcluster.shell import say

PAUSE = "concord/pause:dev"
TEST = "concord/test:dev"
# System libraries of compiled wheels (PEP 600), and those that name lookup loads at run time.
_WHEEL_LIBRARIES = (
    "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0",
    "libutil.so.1", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2", "libz.so.1",
)  # fmt: skip
_FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nconcord:x:1000:1000::/tmp:/bin/sh\n"
    "nonroot:x:65532:65532::/tmp:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nconcord:x:1000:\nnonroot:x:65532:\nnobody:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def ensure() -> None:
    """Load into both nodes the images that are missing or from an older recipe."""
    for name, make in ((PAUSE, _pause), (TEST, _test)):
        with tempfile.TemporaryDirectory(dir=STATE) as folder:
            archive = Path(folder) / "image.tar"
            make(archive)
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            for node in NODES:
                loaded = node.folder / f"{name.replace('/', '_')}.sha256"
                if not (
                    has(node, name)
                    and loaded.exists()
                    and loaded.read_text(encoding="utf-8") == digest
                ):
                    load(node, archive)
                    loaded.write_text(digest, encoding="utf-8")
                    say(f"image {name} on {node.name}")


def has(node: Node, name: str) -> bool:
    """Whether a node has an image of this name."""
    return any(
        line == name or line.endswith(f"/{name}")
        for line in ctr(node, "images", "list", "-q").splitlines()
    )


def load(node: Node, archive: Path) -> None:
    """Load an image archive into a node."""
    ctr(node, "images", "import", str(archive))


def _pause(archive: Path) -> None:
    with _Layer() as layer:
        layer.add(BUSYBOX.resolve(), "bin/busybox")
        layer.save(archive, PAUSE, ["/bin/busybox", "sleep", "infinity"])


def _test(archive: Path) -> None:
    with _Layer() as layer:
        layer.add(BUSYBOX.resolve(), "bin/busybox")
        applets = subprocess.run(
            [str(BUSYBOX), "--list"], capture_output=True, text=True, check=True
        ).stdout.split()
        for applet in applets:
            if applet != "busybox":
                layer.link(f"bin/{applet}", "/bin/busybox")
        layer.folder("usr/bin")
        layer.link("usr/bin/env", "/bin/busybox")
        for path in sorted(libraries()):
            layer.add(path.resolve(), str(path).lstrip("/"))
        for name, text in _FILES.items():
            layer.text(name, text)
        layer.folder("tmp", 0o1777)
        layer.folder("root")  # an interpreter below it is mounted there, for users who are not root
        layer.save(archive, TEST, ["/bin/sh"])


def libraries(prefix: Path = Path(sys.base_prefix)) -> set[Path]:
    """The host's system libraries that an interpreter, its modules and compiled wheels need."""
    modules = list((prefix / "lib").glob("python3.*/lib-dynload/*.so"))
    listed = subprocess.run(
        ["ldd", str(Path(sys.executable).resolve()), *map(str, modules)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    words = {
        word
        for line in listed.splitlines()
        if "(0x" in line
        for word in line.split()
        if word.startswith("/")
    }
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    cached = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout
    for line in cached.splitlines():
        name = line.split()[0] if line.split() else ""
        if name in _WHEEL_LIBRARIES and "x86-64" in line:
            words.add(line.split()[-1])
    return {Path(word) for word in words if not Path(word).is_relative_to(prefix)}


class _Layer:
    """The one layer of an image, written file by file."""

    def __enter__(self) -> "_Layer":
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.PAX_FORMAT)
        self._folders: set[str] = set()
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Add a folder, and those above it."""
        for part in [*reversed([str(p) for p in Path(name).parents if str(p) != "."]), name]:
            if part not in self._folders:
                self._folders.add(part)
                self._entry(part, tarfile.DIRTYPE, mode if part == name else 0o755)

    def add(self, path: Path, name: str) -> None:
        """Add a file of this machine, executable by all."""
        self.folder(str(Path(name).parent))
        self._entry(name, tarfile.REGTYPE, 0o755, path.read_bytes())

    def text(self, name: str, text: str) -> None:
        """Add a file with this text."""
        self.folder(str(Path(name).parent))
        self._entry(name, tarfile.REGTYPE, 0o644, text.encode())

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(info)

    def save(self, archive: Path, name: str, command: list[str]) -> None:
        """Write the image as an archive that containerd imports."""
        self._tar.close()
        layer = self._bytes.getvalue()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": command, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            },
        }
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        with tarfile.open(archive, "w") as out:
            files = (
                ("layer.tar", layer),
                ("config.json", _json(config)),
                ("manifest.json", _json(manifest)),
            )
            for file, data in files:
                info = tarfile.TarInfo(file)
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))

    def _entry(self, name: str, kind: bytes, mode: int, data: bytes = b"") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size = kind, mode, len(data)
        self._tar.addfile(info, io.BytesIO(data))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
