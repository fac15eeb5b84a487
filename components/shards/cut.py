"""Cut a data set into parts, each a small data set in the exchange: rows, manifest, packed media.

A part holds everything that its index reads, so pods need no access to the data set, and all that
they read has a digest. Only media in S3 stay where they are, if the exchange is in S3 too.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import UserError
from components.core.files import write_json
from components.core.progress import Progress, silent
from components.core.refs import digest_folder
from components.data.manifest import Manifest
from components.data.media import Media
from components.data.packed import PackedMedia
from components.exchange.exchange import Exchange
from components.prediction.block import BLOCK
from components.shards.spec import Part


def media_in_store(data_uri: str, exchange_uri: str) -> str | None:
    """Where pods read media themselves; None where media are packed into the parts.

    Pods that reach an exchange in S3 reach media in S3 with the same endpoint and credentials.
    """
    return data_uri if data_uri.startswith("s3://") and exchange_uri.startswith("s3://") else None


def cut(
    *,
    batches: Iterable[pa.RecordBatch],
    description: dict[str, Any],
    manifest: Manifest,
    media: Media | None,
    bounds: Sequence[tuple[int, int]],
    exchange: Exchange,
    scratch: Path,
    progress: Progress = silent,
    carry: Callable[[Path], object] = lambda _: None,
) -> list[Part]:
    """Put every part into the exchange, unless it is complete there.

    Args:
        batches: all rows, in order.
        description: content of ``dataset.json`` in each part.
        manifest: what the columns mean.
        media: the media to pack into the parts; None where pods read them, or there are none.
        bounds: the rows of each part.
        exchange: receives the parts.
        scratch: a local folder with room for one part.
        progress: called after every part.
        carry: puts a user's own files that are needed into the folder of a part.

    Raises:
        UserError: there are fewer or more rows than in the bounds.
    """
    parts = []
    rows = _Rows(batches)
    for start, stop in bounds:
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as temporary:
            folder = Path(temporary) / "part"
            folder.mkdir()
            write_json(folder / "dataset.json", description)
            carry(folder)
            _write(folder, rows.take(stop - start), manifest, media)
            records = digest_folder(folder)
            exchange.put(folder, records)
        parts.append(Part(start=start, stop=stop, records=records))
        progress("copy to the exchange", stop, bounds[-1][1])
    if rows.more():
        raise UserError(
            f"there are more records than the {bounds[-1][1]} that were counted; "
            "did the data change? run again"
        )
    return parts


def _write(
    folder: Path, tables: Iterator[pa.Table], manifest: Manifest, media: Media | None
) -> None:
    columns = [str(manifest.modalities[name].column) for name in manifest.media]
    seen: set[str] = set()
    with ExitStack() as stack:
        packed = stack.enter_context(PackedMedia(folder / "media", "part"))
        records: pq.ParquetWriter | None = None
        for table in tables:
            if records is None:
                records = stack.enter_context(
                    pq.ParquetWriter(folder / "records.parquet", table.schema)
                )
            records.write_table(table)
            if media is None:
                continue
            paths = [path for column in columns for path in _paths(table[column], seen)]
            for path, content in zip(paths, media.fetch(paths), strict=True):
                # A missing file is left out: the pod that reads the part finds it missing too.
                if isinstance(content, bytes):
                    packed.add(path, content)


def _paths(column: pa.ChunkedArray, seen: set[str]) -> Iterator[str]:
    """Paths of a media column that were not seen before."""
    for value in column.to_pylist():
        if isinstance(value, str) and value and value not in seen:
            seen.add(value)
            yield value


class _Rows:
    """Rows from batches of any size, in tables of one block."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self._held: pa.RecordBatch | None = None

    def take(self, count: int) -> Iterator[pa.Table]:
        """The next rows, at most ``BLOCK`` at a time.

        Raises:
            UserError: there are fewer.
        """
        while count:
            if not self.more():
                raise UserError(
                    f"{count} records are missing that were counted before; "
                    "did the data change? run again"
                )
            held: Any = self._held
            here = held.slice(0, min(count, BLOCK))
            self._held = held.slice(len(here)) if len(here) < len(held) else None
            count -= len(here)
            yield pa.Table.from_batches([here])

    def more(self) -> bool:
        """Whether rows are left."""
        while self._held is None:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._held = batch if len(batch) else None
        return True
