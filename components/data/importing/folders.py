"""Reads a folder with one sub-folder per class, perhaps below or above splits, as a table."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.core.errors import UserError
from components.core.places import files_below
from components.data.importing.media_kinds import kind_of_file, remedy, suffix_of, suffixes
from components.data.importing.paths import as_text, is_odd
from components.data.importing.report import Report, counted, some
from components.data.importing.split_words import UNLABELLED, split_of
from components.data.importing.tables import is_table

_LEFTOVERS = {
    "__macosx",
    "@eadir",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "#recycle",
    "lost+found",
    "system volume information",
}
"""Names that archives, file managers and network drives leave in folders, beside hidden ones."""
_HIDDEN = "hidden, or left behind by an archive or a file manager (.DS_Store, __MACOSX)"
_CLASSLESS = "not in a folder of a class"


@dataclass(frozen=True)
class _File:
    name: str
    """Path below the source."""
    kind: str

    @property
    def parts(self) -> list[str]:
        return self.name.split("/")


@dataclass(frozen=True)
class _Layout:
    """Which parts of a path are the class and the split, counted from the source."""

    label: int = 0
    split: int | None = None

    @property
    def depth(self) -> int:
        """Number of folders that every record lies in."""
        return 1 if self.split is None else 2


def read_folder(source: Path, report: Report) -> tuple[pa.Table, Path]:
    """One record for each media file in ``source/<class>/``.

    Its id is its path, and its column has the name of its kind. Where all folders of a level are
    splits (``train/<class>/``, ``<class>/train/``), there is a column ``split`` too.

    Args:
        source: the folder; links in it are followed.
        report: receives what was left out, and what the folders were taken for.

    Raises:
        UserError: there are fewer than two classes, or the folders are splits without classes.
    """
    files = _media(source, report)
    layout = _layout(source, files)
    records = [f for f in files if _has_class(f, layout)]
    report.left_out[_CLASSLESS] += len(files) - len(records)
    labels = [_label(f, layout) for f in records]
    if len({label for label in labels if label is not None}) < 2:
        raise UserError(_too_few(source, labels, report))
    _tell(source, records, layout, report)
    names = [as_text(f.name) for f in records]
    columns: dict[str, list[str | None]] = {"id": list(names), "label": labels}
    if layout.split is not None:
        columns["split"] = [_split(f, layout.split) for f in records]
    for kind in dict.fromkeys(f.kind for f in records):
        columns[kind] = [
            name if f.kind == kind else None for name, f in zip(names, records, strict=True)
        ]
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()}), source


def _media(source: Path, report: Report) -> list[_File]:
    """Every file that a kind reads; the others are counted by why they are left out."""
    found: list[_File] = []
    folders: set[str] = set()
    unread: list[str] = []

    def left(name: str, why: str) -> None:
        report.left_out[_HIDDEN if _is_leftover(name) else why] += 1

    for name, _ in files_below(source, left):
        if _is_leftover(name):
            report.left_out[_HIDDEN] += 1
        elif (kind := _kind(source / name)) is None:
            suffix = suffix_of(name)
            of = (
                f"of {suffix}, which no kind reads" if suffix else "without a suffix, and not media"
            )
            report.left_out[of] += 1
            unread.append(suffix)
        else:
            found.append(_File(name, kind))
            folders.add(name.rpartition("/")[0])
    for suffix in dict.fromkeys(unread):
        if todo := remedy(suffix):
            report.notes.append(f"files of {suffix} are not read: {todo}")
    root = source.resolve()
    if out := [as_text(f) for f in folders if not (source / f).resolve().is_relative_to(root)]:
        report.notes.append(f"followed links out of the folder: {some(sorted(out))}")
    return found


def _kind(path: Path) -> str | None:
    """The kind of a file, by content only where its name has no suffix."""
    suffix = suffix_of(path.name)
    return suffixes().get(suffix) if suffix else kind_of_file(path)


def _is_leftover(name: str) -> bool:
    return any(
        part.startswith(".") or part.strip().casefold() in _LEFTOVERS for part in name.split("/")
    )


def _layout(source: Path, files: Sequence[_File]) -> _Layout:
    """Splits and classes by the names of folders: they are splits where all of a level are."""
    deep = [f for f in files if len(f.parts) > 2]
    tops = {f.parts[0] for f in files if len(f.parts) > 1}
    if _are_splits(tops):
        if not deep:
            raise UserError(
                f"{source}: got folders of splits ({some(sorted(map(as_text, tops)))}) without "
                "folders of classes in them; wanted SPLIT/CLASS/FILE, or a table with a column of "
                "labels. Rename the folders if their names are classes"
            )
        return _Layout(label=1, split=0)
    within = {f.parts[1] for f in deep}
    if len(deep) == sum(len(f.parts) > 1 for f in files) and _are_splits(within):
        return _Layout(label=0, split=1)
    return _Layout()


def _are_splits(names: Iterable[str]) -> bool:
    words = [split_of(name) for name in names if not _is_unlabelled(name)]
    return bool(words) and None not in words


def _is_unlabelled(name: str) -> bool:
    return name.strip().casefold() in UNLABELLED


def _has_class(file: _File, layout: _Layout) -> bool:
    """Whether a file lies in a folder of a class, or in one of files without a label."""
    return len(file.parts) > (1 if _is_unlabelled(file.parts[0]) else layout.depth)


def _label(file: _File, layout: _Layout) -> str | None:
    folders = file.parts[: min(layout.depth, len(file.parts) - 1)]
    return None if any(map(_is_unlabelled, folders)) else as_text(file.parts[layout.label])


def _split(file: _File, place: int) -> str:
    """The folder of a file that names its split; training where it lies in none."""
    folders = file.parts[:-1][place:]
    return "train" if not folders or _is_unlabelled(folders[0]) else folders[0]


def _tell(source: Path, records: Sequence[_File], layout: _Layout, report: Report) -> None:
    if layout.split is not None:
        folders = sorted({_split(f, layout.split) for f in records})
        where = "below" if layout.split < layout.label else "above"
        report.notes.append(
            f"split: the folders {some(folders)} are splits; the class is the folder {where} them"
        )
    if deep := [f for f in records if len(f.parts) > layout.depth + 1]:
        report.notes.append(
            f"label: the class of {counted(len(deep), 'file')} in deeper folders is the outer one: "
            f"{as_text(deep[0].name)!r} is of {_label(deep[0], layout)!r}"
        )
    if plain := sum(_label(f, layout) is None for f in records):
        report.notes.append(f"label: {counted(plain, 'record')} of an unlabelled folder: no label")
    if odd := [f for f in records if is_odd(f.name)]:
        report.notes.append(
            f"{counted(len(odd), 'name')} with bytes that are not UTF-8, now written like %E9 "
            f"({some([as_text(f.name) for f in odd], 2)})"
        )
    if said := _tables_beside(source):
        report.notes.append(said)
    given = {"/".join(f.parts[: layout.depth]) for f in records}
    for folder in _class_folders(source, layout):
        if folder not in given:
            report.notes.append(
                f"label: no record from {as_text(folder)!r}: {_why(source, folder)}"
            )


def _tables_beside(source: Path) -> str:
    """A sentence on tables in a folder of media; empty where there are none."""
    tables = sorted(p.name for p in source.iterdir() if is_table(p))
    if not tables:
        return ""
    return (
        f"{some(list(map(as_text, tables)))} may be a table of these files; to use it, import "
        "it instead of the folder"
    )


def _class_folders(source: Path, layout: _Layout) -> list[str]:
    """Every folder at the level of the classes, by its path below the source."""
    folders = [""]
    for _ in range(layout.depth):
        folders = [
            f"{folder}/{entry.name}".lstrip("/")
            for folder in folders
            for entry in sorted(os.scandir(source / folder), key=lambda e: e.name)
            if entry.is_dir() and not _is_leftover(entry.name)
        ]
    return folders


def _why(source: Path, folder: str) -> str:
    names = [name for name, _ in files_below(source / folder) if not _is_leftover(name)]
    counts = Counter(suffix_of(name) or "no suffix" for name in names)
    of = ", ".join(f"{suffix} {count:,}" for suffix, count in counts.most_common(5))
    return f"none of {counted(len(names), 'file')} is read ({of})" if names else "it is empty"


def _too_few(source: Path, labels: Sequence[str | None], report: Report) -> str:
    said = [
        f"{source}: got {len(labels):,} media files in {len(set(labels) - {None})} folders of "
        "classes, wanted a folder per class, two or more, with files of "
        f"{', '.join(sorted(suffixes()))}"
    ]
    said += [f"left out: {count:,} {why}" for why, count in report.left_out.items() if count]
    said += [beside] if (beside := _tables_beside(source)) else []
    inner = [e.name for e in os.scandir(source) if e.is_dir() and not _is_leftover(e.name)]
    if len(inner) == 1 and any(p.is_dir() for p in (source / inner[0]).iterdir()):
        said.append(f"There is one folder in it; did you mean {source / inner[0]}?")
    return "\n".join(said)
