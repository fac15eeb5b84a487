"""A path is a path: no character in the name of a folder or file means anything else."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import Labels
from components.core.errors import BadInput, UserError
from components.core.places import expanded, files_below, files_in, opened
from components.data.digest import data_digest
from components.data.labels import visible_ids
from components.data.manifest import load_manifest
from components.data.media import Media
from components.data.packed import PackedMedia
from components.data.reader import Dataset
from components.exchange.exchange import Exchange
from tests import datasets

NAMES = [
    "pets [2]",
    "a*b?c",
    "d::e",
    "s3:x",
    "100%41 %zz",
    "#1",
    "~nobody",
    "-rf",
    "file:y",
    "ä ö\n",
    "{x,y}",
    "$HOME",
]


def _set(folder: Path) -> Path:
    """A set with records in parts, a packed picture and a file of its own, and a label file."""
    table = pq.read_table(datasets.write(folder) / "records.parquet")
    (folder / "records.parquet").unlink()
    (folder / "records").mkdir()
    pq.write_table(table[:20], folder / "records" / "0.parquet")
    pq.write_table(table[20:], folder / "records" / "1.parquet")
    (folder / "records" / "._0.parquet").write_bytes(b"left by an archive")
    with PackedMedia(folder / "media", "images") as packed:
        packed.add("packed.png", b"packed")
    (folder / "own.png").write_bytes(b"own")
    visible = pa.table({"id": ["r1"], "seen": [True]})
    pq.write_table(visible, folder / "labels.parquet")
    return folder


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_set_is_read_at_its_place_whatever_its_name(tmp_path: Path, name: str, prefix: str):
    (tmp_path / "pets 2" / "media").mkdir(parents=True)  # what a pattern would find
    folder = _set(tmp_path / name)
    uri = f"{prefix}{folder}"
    manifest = load_manifest(uri)
    assert Dataset(uri, manifest).rows == 48
    assert Media(uri).fetch(["packed.png", "own.png"]) == [b"packed", b"own"]
    assert visible_ids(uri, Labels(file="labels.parquet", column="seen")) == {"r1"}
    first = data_digest(uri, manifest, cache=tmp_path / "cache")
    (folder / "own.png").write_bytes(b"another")
    assert data_digest(uri, manifest, cache=tmp_path / "cache") != first


@pytest.mark.parametrize("name", NAMES)
def test_a_medium_keeps_its_name(tmp_path: Path, name: str):
    datasets.write(tmp_path / "set")
    (tmp_path / "set" / "sub").mkdir()
    (tmp_path / "set" / "sub" / name).write_bytes(b"one")
    (tmp_path / "set" / name).write_bytes(b"two")
    assert Media(str(tmp_path / "set")).fetch([f"sub/{name}", name]) == [b"one", b"two"]


@pytest.mark.parametrize("path", [".", "./", "x" * 300, "loop/x.png", "fifo", "sub", "sub/"])
def test_a_path_without_a_file_is_the_record_s_fault(tmp_path: Path, path: str):
    folder = datasets.write(tmp_path / "set")
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "fifo")
    (folder / "sub").mkdir()
    (found,) = Media(str(folder)).fetch([path])
    assert isinstance(found, BadInput)


@pytest.mark.parametrize("name", ["exp[1]", "a*", "q?"])
@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_an_exchange_removes_only_what_it_names(tmp_path: Path, name: str, scheme: str):
    root = f"{scheme}{tmp_path}"
    neighbour = Exchange(f"{root}/exp1" if name == "exp[1]" else f"{root}/{name[0]}1")
    mine = Exchange(f"{root}/{name}")
    for exchange in (neighbour, mine):
        exchange.write_json("jobs/one/x.json", {"here": True})
    mine.remove("jobs/one")
    assert neighbour.read_json("jobs/one/x.json") == {"here": True}
    with pytest.raises(FileNotFoundError):
        mine.read_json("jobs/one/x.json")


def test_a_home_without_a_user_is_a_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert expanded("~/set") == Path("/home/ada/set")
    assert expanded("~nobody-of-this-name/set") == Path("~nobody-of-this-name/set")


def test_an_unknown_scheme_is_one_sentence():
    with pytest.raises(UserError, match="nosuch://x, wanted a folder or a URL"):
        opened("nosuch://x")


def test_a_store_s_folder_is_listed_without_patterns():
    store, root = opened("memory://list[1]/set")
    for folder in ("list[1]/set", "list1/set"):
        store.pipe_file(f"/{folder}/a.parquet", b"x")
    assert files_in(store, root, ".parquet") == ["/list[1]/set/a.parquet"]
    assert files_in(store, f"{root}/missing", ".parquet") == []


def test_a_folder_s_files_are_found_behind_links_and_the_rest_is_named(tmp_path: Path):
    store, folder = tmp_path / "store", tmp_path / "folder"
    store.mkdir()
    folder.mkdir()
    (store / "a.png").write_bytes(b"a")
    (store / "around").symlink_to(folder)
    (folder / "linked").symlink_to(store)
    (folder / "file.png").symlink_to(store / "a.png")
    (folder / "dead").symlink_to("/nowhere/x.png")
    os.mkfifo(folder / "pipe")
    left: dict[str, str] = {}
    assert [name for name, _ in files_below(folder, left.__setitem__)] == [
        "file.png",
        "linked/a.png",
    ]
    assert left == {
        "dead": "a link that leads nowhere",
        "linked/around": "a link to a folder around it",
        "pipe": "a pipe, socket or device",
    }
