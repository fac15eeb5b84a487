"""A folder whose content is replaced as a whole: a file names the generation that counts."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from components.core.files import read_json, write_json

_CURRENT = "current.json"
_TRIES = 5

Read = TypeVar("Read")


def _number(place: Path) -> int:
    return int(str(read_json(place / _CURRENT)["generation"]))


@contextmanager
def next_generation(place: Path) -> Iterator[Path]:
    """Give an empty folder, which counts when the block ends without an error.

    Those before it are then removed, with whatever writers left that were killed; files that are
    open or mapped stay readable.
    """
    before = _number(place) if (place / _CURRENT).is_file() else 0
    folder = place / str(before + 1)
    shutil.rmtree(folder, ignore_errors=True)  # of a writer that was killed
    folder.mkdir(parents=True)
    try:
        yield folder
        for path in [*folder.iterdir(), folder]:
            _flush(path)
        write_json(place / _CURRENT, {"generation": before + 1})
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _flush(place)
    _remove_all_but(place, before + 1)


def read_generation(place: Path, read: Callable[[Path], Read]) -> Read:
    """Read the generation that counts.

    Where it is replaced while it is read, the next one is read.

    Args:
        place: the folder; one without generations is read itself.
        read: reads one generation's folder.
    """
    if not (place / _CURRENT).is_file():
        return read(place)
    for _ in range(_TRIES):
        number = _number(place)
        try:
            return read(place / str(number))
        except FileNotFoundError:
            if _number(place) == number:
                raise
    raise RuntimeError(f"{place} was replaced {_TRIES} times while it was read")


def _remove_all_but(place: Path, number: int) -> None:
    for path in place.iterdir():
        if path.name.isdigit() and path.name != str(number):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(f".{_CURRENT}."):
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
