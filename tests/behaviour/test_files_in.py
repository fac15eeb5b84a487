"""Files come in: folders and columns of paths lose nothing silently, and nothing from outside."""

import os
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.core.errors import UserError
from components.data.importing.dataset import import_dataset
from components.data.importing.report import Report
from components.data.importing.role_columns import NAMES
from components.data.manifest import load_manifest
from components.data.media import Media
from tests.datasets import png

CLASSES = ("cat", "dog")
_OF_ROLES = {name for names in NAMES.values() for name in names}


def _write(folder: Path, names: list[str]) -> None:
    """A picture of its own for each name."""
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(i))


def _imported(source: Path, target: Path, **more) -> tuple[Report, dict[str, list]]:
    report = import_dataset(source, target, **more)
    return report, pq.read_table(target / "records.parquet").to_pydict()


def _said(report: Report) -> str:
    return "\n".join([report.sum, *report.lines])


# ------------------------------------------------------------------ folders


def test_everything_in_a_folder_is_imported_or_counted(tmp_path: Path):
    source = tmp_path / "src"
    _write(source, [f"{c}/{i}.png" for c in CLASSES for i in range(3)])
    _write(source, ["cat/no-suffix", "cat/day 1/deep.png", "top.png", "cat/.hidden.png"])
    for name in (
        "__MACOSX/cat/._0.png",
        "cat/._0.png",
        "dog/.DS_Store",
        "dog/Thumbs.db",
        "dog/desktop.ini",
        "cat/@eaDir/0.png",
        "cat/notes.txt",
        "cat/raw.cr2",
        "cat/film.mp4",
        "dog/film.mp4",
        "dog/README",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"\0\5\x16\7")
    (source / "empty").mkdir()
    (source / "films").mkdir()
    (source / "films" / "1.mp4").write_bytes(b"film")
    (source / "cat" / "dead.png").symlink_to("/nowhere/x.png")
    os.mkfifo(source / "dog" / "pipe.png")
    entries = sum(len(files) for _, _, files in os.walk(source))
    report, records = _imported(source, tmp_path / "set")
    assert Counter(records["label"]) == {"cat": 5, "dog": 3}
    assert report.records + report.left_out.total() == entries
    assert report.left_out[".mp4"] == 0
    for told in (
        "7 hidden, or left behind",
        "1 not in a folder of a class",
        "3 of .mp4",
        "1 of .txt",
        "files of .cr2 are not read: develop the raw file",
        "1 without a suffix, and not media",
        "1 a link that leads nowhere",
        "1 a pipe",
        "'empty': it is empty",
        "'films': none of 1 file is read (.mp4 1)",
        "1 file in deeper folders is the outer one: 'cat/day 1/deep.png' is of 'cat'",
    ):
        assert told in _said(report), told


@pytest.mark.parametrize(
    ("splits", "forms"),
    [
        (("train", "val", "test"), "{split}/{label}"),
        (("Train", "VALID", "Testing"), "{split}/{label}"),
        (("training", "dev", "held-out"), "{label}/{split}"),
    ],
)
def test_splits_as_folders_are_splits(tmp_path: Path, splits: tuple[str, ...], forms: str):
    names = [
        forms.format(split=split, label=label) + f"/{i}.png"
        for split in splits
        for label in CLASSES
        for i in range(2)
    ]
    _write(tmp_path / "src", names)
    report, records = _imported(tmp_path / "src", tmp_path / "set")
    assert set(records["label"]) == set(CLASSES)
    assert Counter(records["split"]) == {"train": 4, "val": 4, "test": 4}
    assert load_manifest(str(tmp_path / "set")).split.column == "split"
    assert "are splits" in _said(report)


def test_unlabelled_records_beside_splits_have_no_label(tmp_path: Path):
    names = [f"{s}/{c}/{i}.png" for s in ("train", "test") for c in CLASSES for i in range(9)]
    _write(tmp_path / "src", [*names, "unlabeled/all/1.png", "unlabeled/2.png"])
    report, records = _imported(tmp_path / "src", tmp_path / "set")
    assert Counter(records["label"]) == {"cat": 18, "dog": 18, None: 2}
    assert "2 records of an unlabelled folder: no label" in _said(report)


def test_splits_without_classes_and_a_folder_too_high_are_asked_about(tmp_path: Path):
    _write(tmp_path / "a", ["train/1.png", "test/1.png"])
    with pytest.raises(UserError, match=r"folders of splits .*without folders of classes"):
        import_dataset(tmp_path / "a", tmp_path / "set")
    _write(tmp_path / "b", ["pets/cat/1.png", "pets/dog/1.png"])
    with pytest.raises(UserError, match=r"did you mean .*b/pets\?"):
        import_dataset(tmp_path / "b", tmp_path / "set")


def test_linked_files_and_folders_are_followed_and_loops_end(tmp_path: Path):
    _write(tmp_path / "store", [f"{c}/{i}.png" for c in CLASSES for i in range(4)])
    _write(tmp_path / "src", ["cat/own.png"])
    (tmp_path / "src" / "cat" / "day1").symlink_to(tmp_path / "store" / "cat")
    (tmp_path / "src" / "dog").symlink_to(tmp_path / "store" / "dog")
    (tmp_path / "src" / "dog" / "around").symlink_to(tmp_path / "src")
    report, records = _imported(tmp_path / "src", tmp_path / "set")
    assert Counter(records["label"]) == {"cat": 5, "dog": 4}
    assert None not in Media(str(tmp_path / "set")).fetch(records["image"])
    assert "followed links out of the folder" in _said(report)


def test_names_that_are_no_utf_8_are_written_otherwise_and_told(tmp_path: Path):
    _write(tmp_path / "src", ["cat/a.png", "dog/b.png", "dog/new\nline.png", "cat/100%.png"])
    (tmp_path / "src" / "cat" / "a.png").rename(tmp_path / "src/cat" / os.fsdecode(b"caf\xe9.png"))
    report, records = _imported(tmp_path / "src", tmp_path / "set")
    assert records["image"] == ["cat/100%.png", "cat/caf%E9.png", "dog/b.png", "dog/new\nline.png"]
    assert Media(str(tmp_path / "set")).fetch(["cat/caf%E9.png"]) == [png(0)]
    assert "1 name with bytes that are not UTF-8" in _said(report)


# ---------------------------------------------------------- columns of paths

_NAMES = [f"img/p{i}.png" for i in range(8)]


def _nfd(name: str) -> str:
    return unicodedata.normalize("NFD", name)


_READ = {
    "plain": (_NAMES, _NAMES),
    "windows": (_NAMES, [n.replace("/", "\\") for n in _NAMES]),
    "dot": (_NAMES, [f"./{n}" for n in _NAMES]),
    "from the working directory": (_NAMES, [f"data/pets/{n}" for n in _NAMES]),
    "another machine": (_NAMES, [f"C:\\Users\\ada\\{n}" for n in _NAMES]),
    "blanks": (_NAMES, [f" {n} " for n in _NAMES]),
    "quoted": ([f"a b/{i}.png" for i in range(8)], [f"a%20b/{i}.png" for i in range(8)]),
    "decomposed": ([_nfd(f"é/{i}é.png") for i in range(8)], [f"é/{i}é.png" for i in range(8)]),
    "composed": ([f"é/{i}é.png" for i in range(8)], [_nfd(f"é/{i}é.png") for i in range(8)]),
    "case": ([n.upper() for n in _NAMES], _NAMES),
    "no suffix": ([f"img/{i:08x}" for i in range(8)],) * 2,
    "unknown suffix": ([f"img/{i}.thumb" for i in range(8)],) * 2,
    "jfif": ([f"img/{i}.jfif" for i in range(8)],) * 2,
    "colons": ([f"09:15:{i}.png" for i in range(8)],) * 2,
    "odd names": ([f"[{i}]*?#{i}::%41 ~.png" for i in range(8)],) * 2,
}


def _table(folder: Path, cells: list[str]) -> Path:
    rows = "".join(f'a{i},{CLASSES[i % 2]},"{cell}"\n' for i, cell in enumerate(cells))
    (folder / "t.csv").write_text(f"id,label,photo\n{rows}", encoding="utf-8")
    return folder / "t.csv"


@pytest.mark.parametrize("form", _READ)
def test_a_cell_that_means_one_file_names_it(tmp_path: Path, form: str):
    files, cells = _READ[form]
    _write(tmp_path / "src", files)
    _, records = _imported(_table(tmp_path / "src", cells), tmp_path / "set")
    got = Media(str(tmp_path / "set")).fetch(records["photo"])
    assert got == [png(i) for i in range(8)]
    assert records["photo"] == files, "files are named by their path below the source"


_NOT_READ = {
    "addresses": ([f"https://example.org/{n}?w=1" for n in _NAMES], "nothing is downloaded"),
    "several": ([f"{n};{n}" for n in _NAMES], "one path in a cell"),
    "missing": ([f"there/{i}.png" for i in range(8)], "'there/0.png' and 7 more"),
    "outside": ([f"../private/{i}.png" for i in range(8)], "--allow-outside"),
}


@pytest.mark.parametrize("form", _NOT_READ)
def test_a_column_that_looks_like_paths_is_asked_about(tmp_path: Path, form: str):
    _write(tmp_path, [f"private/{i}.png" for i in range(8)])
    cells, why = _NOT_READ[form]
    (tmp_path / "src").mkdir()
    table = _table(tmp_path / "src", cells)
    said = "it looks like paths of media, and none of them leads to a file below"
    with pytest.raises(UserError, match=f"'photo': {said}.*{why}"):
        import_dataset(table, tmp_path / "set")


def test_media_that_no_column_names_are_told(tmp_path: Path):
    _write(tmp_path / "src", _NAMES)
    rows = "".join(f"a{i},{CLASSES[i % 2]},the words of {i}\n" for i in range(8))
    (tmp_path / "src" / "t.csv").write_text(f"id,label,title\n{rows}")
    report, _ = _imported(tmp_path / "src" / "t.csv", tmp_path / "set")
    assert "'img/p0.png'), and no column names them" in _said(report)


def test_names_that_differ_only_in_case_are_two_files(tmp_path: Path):
    _write(tmp_path / "src", ["a.png", "A.png", "b.png"])
    table = _table(tmp_path / "src", ["a.png", "A.png", "B.PNG", "A.PNG"])
    report, records = _imported(table, tmp_path / "set")
    assert records["photo"] == ["a.png", "A.png", "b.png", "A.PNG"]
    assert "1 of 4 paths name no file ('A.PNG')" in _said(report)


@pytest.mark.parametrize("allowed", [False, True])
def test_nothing_from_outside_is_packed_unless_the_user_says_so(tmp_path: Path, allowed: bool):
    _write(tmp_path / "src", _NAMES)
    _write(tmp_path, ["private.png", "far/private.png"])
    (tmp_path / "key").write_text("secret")
    (tmp_path / "src" / "key.png").symlink_to(tmp_path / "key")
    (tmp_path / "src" / "linked.png").symlink_to(tmp_path / "private.png")
    outside = ["../private.png", str(tmp_path / "far/private.png"), "img/../../private.png"]
    table = _table(tmp_path / "src", [*_NAMES, *outside, "key.png", "linked.png"])
    report, records = _imported(table, tmp_path / "set", outside=allowed)
    content = b"".join(p.read_bytes() for p in (tmp_path / "set" / "media").iterdir())
    got = Media(str(tmp_path / "set")).fetch(records["photo"])
    assert got[12] == png(0), "a link beside the table is the user's own"
    if allowed:
        assert got[8:11] == [png(0), png(1), png(0)]
        assert not any(".." in name for name in records["photo"])
    else:
        assert b"secret" not in content
        assert records["photo"][8:11] == outside
        assert "3 of 13 paths lead out of the folder" in _said(report)
        assert "1 of 13 paths follow links out of the folder to files that" in _said(report)


def test_files_that_are_missing_unreadable_or_no_media_are_counted(tmp_path: Path):
    _write(tmp_path / "src", _NAMES)
    (tmp_path / "src" / "notes.txt").write_text("no picture")
    os.mkfifo(tmp_path / "src" / "pipe.png")
    table = _table(tmp_path / "src", [*_NAMES, "gone.png", "notes.txt", "pipe.png", "img"])
    report, _ = _imported(table, tmp_path / "set")
    assert "3 of 12 paths name no file ('gone.png', 'pipe.png' and 1 more)" in _said(report)
    assert "1 of 12 paths name files that the kind does not read ('notes.txt')" in _said(report)


def test_columns_share_files_and_any_name_of_a_column_will_do(tmp_path: Path):
    _write(tmp_path / "src", _NAMES)
    rows = "".join(f"a{i},{CLASSES[i % 2]},{n},{n}\n" for i, n in enumerate(_NAMES))
    (tmp_path / "src" / "t.csv").write_text(f'id,label,a/b,".hid\nden"\n{rows}')
    _, records = _imported(tmp_path / "src" / "t.csv", tmp_path / "set")
    media = Media(str(tmp_path / "set"))
    for column in ("a/b", ".hid\nden"):
        assert media.fetch(records[column]) == [png(i) for i in range(8)]
    assert len(list((tmp_path / "set" / "media").iterdir())) == 1


# ------------------------------------------------------------- the manifest


_ODD = [
    *("null", "yes", "1e-3", "0x1f", "12:30", "a: b", "# x", "- y", "{a, b}", "? a", "<<"),
    *(
        "a\nb",
        "😀 \\ 😀",
        "\u2028",
        "\x85",
        "ü" * 2000,
        " a ",
        "!tag",
        "&a",
        "%",
        "@",
        "`",
        "\ufeff",
    ),
]
_NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=3, deadline=None)
@given(names=st.lists(_NAME, min_size=20, max_size=20, unique=True))
@example(names=_ODD)
def test_any_name_of_a_column_is_read_back(names: list[str]):
    """What the import writes parses to the same names; the oracle is the table itself."""
    names = [name for name in names if name.strip().casefold() not in _OF_ROLES]
    columns: dict[str, list] = {
        name: [f"the words of {i}" for i in range(6)] for name in names[::2]
    }
    columns |= {name: [i / 7 for i in range(6)] for name in names[1::2]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table = pa.table({"label": ["a", "b"] * 3, "bad\0name": ["a b c"] * 6, **columns})
        pq.write_table(table, folder / "t.parquet")
        report = import_dataset(folder / "t.parquet", folder / "set")
        manifest = load_manifest(str(folder / "set"))
    assert {*manifest.feature_columns, *report.columns} == {*names, "bad\0name"}
    assert "rename it" in report.columns["bad\0name"]
