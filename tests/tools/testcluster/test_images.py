"""Images made without a builder satisfy containerd and are reproducible."""

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tools.testcluster import images

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libraries are listed with ldd")


@pytest.fixture
def busybox(tmp_path, monkeypatch):
    program = tmp_path / "busybox"
    program.write_text("#!/bin/sh\nprintf 'sh\\nls\\nbusybox\\n'\n")
    program.chmod(0o755)
    monkeypatch.setattr(images, "BUSYBOX", program)


@pytest.mark.usefixtures("busybox")
def test_the_test_image_is_an_archive_whose_layer_has_the_digest_that_it_names(tmp_path):
    for name in ("a.tar", "b.tar"):
        images._test(tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]
        config = json.load(archive.extractfile(manifest["Config"]))
        layer = archive.extractfile(manifest["Layers"][0]).read()
        assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
        with tarfile.open(fileobj=archive.extractfile(manifest["Layers"][0])) as files:
            entries = {entry.name: entry for entry in files}
    assert entries["bin/sh"].linkname == "/bin/busybox"
    assert entries["tmp"].mode == 0o1777
    assert any(name.endswith("/libc.so.6") for name in entries)


def test_libraries_are_all_that_the_interpreter_loads_from_the_system():
    script = (
        "import ssl, sqlite3, ctypes, lzma, bz2, zlib, hashlib, socket; "
        "print(open('/proc/self/maps').read())"
    )
    maps = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    loaded = {Path(line.split()[-1]) for line in maps.splitlines() if ".so" in line}
    system = {
        path.name
        for path in loaded
        if not path.is_relative_to(sys.base_prefix) and not path.is_relative_to(sys.prefix)
    }
    assert system <= {path.resolve().name for path in images.libraries()}
