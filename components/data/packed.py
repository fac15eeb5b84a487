"""Packs media into Parquet files, which ``components.data.media`` reads."""

from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([("path", pa.string()), ("bytes", pa.binary())])
GROUP_ROWS, GROUP_BYTES = 1000, 8 << 20
"""A row group ends when it holds this many files or bytes: readers keep whole groups in memory."""
FILE_BYTES = 128 << 20
"""A Parquet file ends with the row group in which it reaches this size."""


class PackedMedia:
    """Writes ``<name>-000.parquet``, ``<name>-001.parquet`` and so on.

    Args:
        folder: where the files are written; it is made with the first file.
        name: prefix of the files' names.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._paths: list[str] = []
        self._contents: list[bytes] = []
        self._in_group = self._in_file = self._files = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, path: str, content: bytes) -> None:
        """Append one file."""
        self._paths.append(path)
        self._contents.append(content)
        self._in_group += len(content)
        if len(self._paths) >= GROUP_ROWS or self._in_group >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the remaining media."""
        self._flush()
        self._end_file()

    def __enter__(self) -> "PackedMedia":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._end_file()

    def _flush(self) -> None:
        if not self._paths:
            return
        if self._writer is None:
            self._folder.mkdir(exist_ok=True)
            file = self._folder / f"{self._name}-{self._files:03}.parquet"
            # Pictures are compressed already, and no two are alike.
            self._writer = pq.ParquetWriter(file, SCHEMA, compression="none", use_dictionary=False)
            self._files += 1
        self._writer.write_table(
            pa.table({"path": self._paths, "bytes": self._contents}, schema=SCHEMA)
        )
        self._in_file += self._in_group
        self._paths, self._contents, self._in_group = [], [], 0
        if self._in_file >= FILE_BYTES:
            self._end_file()

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer, self._in_file = None, 0
