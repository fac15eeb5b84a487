"""The digest of the code: what changes it, what does not; wheel and checkout have the same."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from components.config.home import CHECKOUT
from components.pods.code import code_digest


def _copy(tmp_path: Path, name: str) -> Path:
    return Path(
        shutil.copytree(
            CHECKOUT / "components", tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    )


def test_a_copy_elsewhere_without_bytecode_has_the_same_digest(tmp_path: Path) -> None:
    assert code_digest(_copy(tmp_path, "elsewhere")) == code_digest()


def test_what_python_and_editors_leave_behind_does_not_count(tmp_path: Path) -> None:
    root = _copy(tmp_path, "littered")
    (root / "data" / "__pycache__").mkdir()
    (root / "data" / "__pycache__" / "reader.cpython-311.pyc").write_bytes(b"\0")
    (root / "data" / ".reader.py.swp").write_bytes(b"\0")
    (root / "data" / "reader.py~").write_text("old")
    assert code_digest(root) == code_digest()


def test_one_more_byte_a_new_name_and_a_changed_template_each_count(tmp_path: Path) -> None:
    digests = {code_digest()}
    for number, change in enumerate((_longer, _renamed, _restyled)):
        root = _copy(tmp_path, f"changed-{number}")
        change(root)
        digests.add(code_digest(root))
    assert len(digests) == 4


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the packager itself and unpacked as an installer does."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=CHECKOUT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_the_packages_with_their_entry_and_no_tools_or_tests(site: Path) -> None:
    packages = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert packages == {"components", "concord_entry", "flows", "infra", "serving"}


def test_the_wheel_and_the_checkout_agree(site: Path) -> None:
    asked = subprocess.run(  # in a process that sees only the wheel
        [sys.executable, "-P", "-m", "components.pods.code"],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert asked.stdout.strip() == code_digest()


def _longer(root: Path) -> None:
    file = root / "core" / "refs.py"
    file.write_text(file.read_text() + "\n")


def _renamed(root: Path) -> None:
    (root / "core" / "refs.py").rename(root / "core" / "reference.py")


def _restyled(root: Path) -> None:
    (root / "evaluation" / "templates" / "report.css").write_text("")
