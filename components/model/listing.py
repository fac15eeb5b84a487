"""The list of a package's files, and the check that code in a model folder is unchanged."""

import json
from pathlib import Path, PurePosixPath

from components.core.errors import UserError
from components.core.refs import digest_file

FILES = "files.json"


def read_files(folder: Path) -> dict[str, str]:
    """The list of a package: relative path to SHA-256.

    Raises:
        OSError: the list does not exist.
        ValueError: it is not a list of files below the folder.
    """
    files = json.loads((folder / FILES).read_text(encoding="utf-8"))["files"]
    if not isinstance(files, dict) or not all(
        isinstance(digest, str) and _is_below(name) for name, digest in files.items()
    ):
        raise ValueError(f"{FILES} is not a list of files")
    return files


def check_code(folder: Path) -> None:
    """Check the code in a model folder before any of it is imported.

    A package's code must be in its list with the right digest. A folder without a list, such as the
    output of a training step, is not compared. Links are refused in both, since they lead outside.

    Raises:
        UserError: a link, or code that is not listed or differs from the list.
    """
    listed = read_files(folder) if (folder / FILES).is_file() else None
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise UserError(f"model folder {folder}: {name} is a link, wanted the file itself")
        if listed is None or not name.endswith(".py"):
            continue
        if name not in listed:
            raise UserError(f"model package {folder}: {name} is not in its list {FILES}; remove it")
        check_file(folder, name, listed[name])


def check_file(folder: Path, name: str, wanted: str) -> None:
    """Compare one file of a package with its digest in the list.

    Raises:
        UserError: it differs.
    """
    if (got := digest_file(folder / name)) != wanted:
        raise UserError(
            f"model package {folder}: {name} was changed or damaged: got SHA-256 {got[:12]},"
            f" wanted {wanted[:12]}; build or fetch the package again"
        )


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
