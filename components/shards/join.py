"""Join the chunks of all indexes into what one process writes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import UserError
from components.core.progress import Progress, silent
from components.features.encode import Accepted, Contents, Inputs, Previews
from components.features.modality import build_modalities
from components.features.rows import joined
from components.features.spec import ModalitySpec
from components.features.store import Features
from components.parts.contracts import Target
from components.prediction.answers_file import Counts, schema, write
from components.shards.work import ANSWERS


def join_features(
    *,
    accepted: Path,
    modalities: Mapping[str, Mapping[str, Any]],
    chunks: Iterator[Path],
    out: Path,
    base: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Write the features folder that ``components.features.encode.encode`` writes.

    Args:
        accepted: output of validate.
        modalities: options of each modality.
        chunks: folders of all chunks, in order.
        out: an empty folder.
        base: folder that a user's own files are relative to.
        progress: called after every batch.

    Raises:
        UserError: chunks of other records, or encoded with other code or weights than here.
    """
    records = Accepted.open(accepted)
    built = build_modalities(records.manifest, modalities, base)
    specs = {name: modality.spec for name, modality in built.items()}
    writer = records.writer(out, specs, records.count, base)
    rows, done = _Rows(chunks, specs), 0
    for batch in records.batches():
        kept = records.kept(batch)
        writer.add(kept, *rows.take(kept["id"].to_pylist()))
        done += len(batch)
        progress("join", done, records.count)
    writer.close()
    left = next(chunks, None)  # removes the last folder
    assert left is None, "chunks were accounted for"


def join_answers(
    *,
    target: Target,
    chunks: Iterator[Path],
    count: int,
    out: Path,
    progress: Progress = silent,
) -> Counts:
    """Write the file of answers that ``components.prediction.batch.predict`` writes.

    Raises:
        UserError: answers of a model with other classes.
    """
    columns = schema(target)

    def tables() -> Iterator[pa.Table]:
        for folder in chunks:
            table = pq.ParquetFile(folder / ANSWERS).read()
            if not table.schema.equals(columns):
                raise UserError(
                    f"answers with the columns {table.schema.names}, wanted {columns.names}; "
                    "build the image again"
                )
            yield table

    return write(tables(), columns, out, count, progress)


@dataclass(frozen=True)
class _Piece:
    """Some rows of a chunk."""

    features: Features
    previews: pa.Table
    rows: slice


class _Rows:
    """Rows of all chunks in order, taken as many at a time as a batch has."""

    def __init__(self, chunks: Iterator[Path], specs: Mapping[str, ModalitySpec]) -> None:
        self._chunks, self._specs = chunks, specs
        self._held: tuple[Features, pa.Table] | None = None
        self._at = 0

    def take(self, ids: list[str]) -> tuple[Inputs, Previews, Contents]:
        """What ``BatchEncoder.encode`` gives for the next rows, which must be these records."""
        pieces = list(self._pieces(len(ids)))
        found = [i for p in pieces for i in p.features.ids[p.rows]]
        if found != ids:
            odd = next(k for k, (a, b) in enumerate(zip(found, ids, strict=True)) if a != b)
            raise UserError(
                f"join: got record {found[odd]!r} where {ids[odd]!r} was wanted; run again"
            )
        inputs: Inputs = {}
        previews: Previews = {}
        contents: Contents = {}
        for column, name in enumerate(sorted(self._specs)):
            present = np.concatenate([p.features.present[p.rows, column] for p in pieces])
            for view in self._specs[name].names(name):
                values = joined([p.features.arrays[view][p.rows] for p in pieces])
                inputs[view] = (np.flatnonzero(present), values[present])
            previews[name] = [v for p in pieces for v in p.previews[name][p.rows].to_pylist()]
            contents[name] = np.concatenate([p.features.contents[p.rows, column] for p in pieces])
        return inputs, previews, contents

    def _pieces(self, count: int) -> Iterator[_Piece]:
        while count:
            if self._held is None:
                self._held, self._at = self._open(), 0
            features, previews = self._held
            rows = slice(self._at, min(self._at + count, len(features.ids)))
            yield _Piece(features, previews, rows)
            count -= rows.stop - rows.start
            self._at = rows.stop
            if self._at == len(features.ids):
                self._held = None

    def _open(self) -> tuple[Features, pa.Table]:
        folder = next(self._chunks, None)
        assert folder is not None, "chunks were accounted for"
        features = Features.load(folder)
        for name, spec in self._specs.items():
            if features.specs.get(name) != spec:
                raise UserError(
                    f"modality {name!r} was encoded by other code, options or weights in the pods "
                    "than here; build the image from this code, then run again"
                )
        # Read now: the folder is removed with the next chunk; mapped arrays stay readable.
        return features, features.previews()
