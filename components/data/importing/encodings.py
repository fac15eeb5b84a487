"""Opens a file of text in the encoding that it has or that the user names."""

import codecs
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from components.core.errors import UsageError, UserError, unknown_name

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_COMMON = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "cp1251", "shift_jis", "gb18030")
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet; save the table as CSV",
    b"PAR1": "a Parquet file; give it a name that ends with .parquet",
    b"\x1f\x8b": "compressed by gzip; give it a name that ends with .gz",
}


@contextmanager
def opened(source: Path, encoding: str | None) -> Iterator[IO[str]]:
    """Open a file of text; its line ends stay as they are.

    Args:
        source: the file; compressed by gzip if its name ends with ``.gz``.
        encoding: as the user names it; by default UTF-8, or UTF-16 with its mark.

    Raises:
        UsageError: no such encoding, or one that contradicts the file's mark.
        UserError: the file cannot be read, or has bytes that the encoding does not allow.
    """
    try:
        with _binary(source) as file:
            head = file.read(4)
        for mark, what in _FOREIGN.items():
            if head.startswith(mark):
                raise UserError(f"{source} is {what}")
        name = _chosen(source, head, encoding)
        with _binary(source) as file, io.TextIOWrapper(file, name, newline="") as text:
            yield text
    except UnicodeError as error:
        raise UserError(_place(source, name, error)) from error
    except (OSError, EOFError) as error:
        raise UserError(f"{source} cannot be read ({error})") from error


def _binary(source: Path) -> IO[bytes]:
    if source.suffix.lower() == ".gz":
        return gzip.open(source, "rb")  # type: ignore[return-value] # a buffered reader in all but name
    return source.open("rb")


def _chosen(source: Path, head: bytes, encoding: str | None) -> str:
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if encoding is None:
        return marked or "utf-8"
    try:
        found = codecs.lookup(encoding)
        "".encode(encoding)  # codecs that turn bytes into bytes are no encodings of text
    except (LookupError, ValueError) as error:
        raise UsageError(f"--encoding: {unknown_name('encoding', encoding, _COMMON)}") from error
    if marked is None:
        return encoding
    if not found.name.startswith(marked.removesuffix("-sig")):
        raise UsageError(
            f"{source} begins with the byte order mark of {marked.removesuffix('-sig')}, so "
            f"it is not {encoding}; leave --encoding out"
        )
    return marked


def _place(source: Path, name: str, error: UnicodeError) -> str:
    """Line, column and byte of the first fault, found by decoding the whole file once more."""
    plain = name.removesuffix("-sig").upper()
    with _binary(source) as file:
        data = file.read()
    try:
        data.decode(name)
    except UnicodeDecodeError as first:
        before = data[: first.start].decode(name, "replace").replace("\r\n", "\n")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        what = f"byte 0x{data[first.start]:02x} is not {plain}"
        advice = (
            "it seems to be UTF-16 without a byte order mark: save it as UTF-8, or try --encoding "
            "utf-16-le in `data import`"
            if b"\0" in data[:100]
            else "save it as UTF-8, or name its encoding in `data import`, for example "
            "--encoding cp1252"
        )
        return f"{source}, line {line}, column {column}: {what}; {advice}"
    return f"{source} is not {plain} ({error})"
