"""A folder for temporary files that is missing, forbidden or full is noticed before work begins."""

import os
import shutil
import tempfile
from collections import namedtuple

import pytest

from components.config import temporary
from components.config.home import Home
from components.core.errors import UserError
from flows.commands.doctor import doctor

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return Home(root=tmp_path / "home")


def finding():
    return next(f for f in doctor().value["findings"] if "temporary" in f["what"])


def full(monkeypatch, *folders):
    real = shutil.disk_usage
    known = [str(folder) for folder in folders]
    monkeypatch.setattr(
        shutil, "disk_usage", lambda p: Usage(1, 1, 5 << 20) if str(p) in known else real(p)
    )


def nowhere(monkeypatch):
    def none(*_):
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)


def test_a_folder_with_room_is_used_as_it_is(home, tmp_path):
    said = []
    temporary.settle(home, said.append)
    assert not said
    assert tempfile.gettempdir() == str(tmp_path)
    assert finding()["ok"]


def test_a_full_one_is_replaced_by_one_in_the_home_and_told(home, tmp_path, monkeypatch):
    full(monkeypatch, tmp_path)
    assert finding()["found"] == f"{tmp_path} has 5 MiB free, wanted 64"
    said = []
    temporary.settle(home, said.append)
    assert said == [
        f"temporary files go to {home.root / 'tmp'}, because {tmp_path} has 5 MiB free, wanted 64"
    ]
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(home.root / "tmp")


def test_without_room_anywhere_it_says_how_much_is_wanted(home, tmp_path, monkeypatch):
    full(monkeypatch, tmp_path, home.root / "tmp")
    with pytest.raises(UserError, match=r"5 MiB free, wanted 64; .*set TMPDIR to a folder with 64"):
        temporary.settle(home, print)


def test_no_folder_at_all_is_told(home, monkeypatch):  # noqa: ARG001
    nowhere(monkeypatch)
    assert "no folder for temporary files" in temporary.trouble()
    assert not finding()["ok"]


def test_a_folder_that_does_not_exist_is_passed_over_and_the_doctor_says_so(home, monkeypatch):  # noqa: ARG001
    monkeypatch.setenv("TMPDIR", "/does/not/exist")
    assert finding()["ok"]
    assert "/does/not/exist, which cannot be written" in finding()["found"]
