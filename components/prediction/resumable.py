"""A file of rows written part by part, so that a killed run resumes where it stopped.

Parts lie in a hidden folder beside the file and are joined when all are there: a reader sees the
whole file or none.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from components.core.errors import UserError
from components.core.files import file_aside, write_atomically
from components.core.progress import Progress, silent
from components.prediction.answers_file import Counts, write

_KEY = "key"


def write_in_parts(
    tables: Callable[[int], Iterable[pa.Table]],
    schema: pa.Schema,
    out: Path,
    count: int,
    *,
    key: str,
    progress: Progress = silent,
) -> Counts:
    """Write a file of rows; the same bytes however often it was interrupted.

    Args:
        tables: the rows from a part on, as tables of one part each.
        schema: their columns.
        out: the file; it appears when all rows are written.
        count: rows in all.
        key: identifies what the rows are made of; parts of another key are discarded.
        progress: called after every part.

    Raises:
        UserError: another process writes the same file.
    """
    folder = out.with_name(f".{out.name}.parts")
    with _alone(folder, out):
        if not (folder / _KEY).is_file() or (folder / _KEY).read_text() != key:
            _empty(folder)
            write_atomically(folder / _KEY, key)
        finished = 0
        while _part(folder, finished).is_file():
            finished += 1
        done = sum(pq.read_metadata(_part(folder, n)).num_rows for n in range(finished))
        if done:
            progress("predict", done, count)
        for table in tables(finished):
            with file_aside(_part(folder, finished)) as aside:
                pq.write_table(table.cast(schema), aside)
            finished += 1
            done += len(table)
            progress("predict", done, count)
        counts = write(_parts(folder, finished), schema, out, count)
        _empty(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return counts


def _part(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.parquet"


def _parts(folder: Path, count: int) -> Iterator[pa.Table]:
    for number in range(count):
        yield pq.ParquetFile(_part(folder, number)).read()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "lock":
            path.unlink()


@contextmanager
def _alone(folder: Path, out: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout as error:
        raise UserError(
            f"another process is writing {out}; wait for it, or give another --out"
        ) from error
