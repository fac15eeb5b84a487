"""Join the results of all indexes into what one process writes, or nothing if a row is missing."""

import tempfile
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import UserError
from components.core.files import read_json
from components.core.progress import Progress, silent
from components.exchange.errors import Incomplete
from components.exchange.exchange import Exchange
from components.features.encode import Accepted, Contents, Inputs, Previews
from components.features.rows import joined
from components.features.spec import ModalitySpec, build_modalities
from components.features.store import Features
from components.parts.contracts import Target
from components.prediction.batch import Counts, schema, write
from components.shards.spec import ShardSpec
from components.shards.work import ANSWERS, RESULT, Chunk, PartResult, chunk_job


def results(
    exchange: Exchange, job: str, succeeded: Mapping[int, str], scratch: Path
) -> list[PartResult]:
    """The result of each index that has one.

    Args:
        exchange: where they are.
        job: name of the job's folder there.
        succeeded: index to UID of the pod that the cluster reports as successful; for other indexes
            any complete attempt counts.
        scratch: a local folder.
    """
    chosen: dict[int, str] = {}
    for attempt in exchange.attempts(job):
        index, _, uid = attempt.token.partition("-")
        if index.isdecimal() and (int(index) not in chosen or succeeded.get(int(index)) == uid):
            chosen[int(index)] = attempt.token
    found = []
    scratch.mkdir(parents=True, exist_ok=True)
    for _, token in sorted(chosen.items()):
        with tempfile.TemporaryDirectory(dir=scratch) as temporary:
            exchange.fetch_attempt(job, token, Path(temporary))
            found.append(PartResult.model_validate(read_json(Path(temporary) / RESULT)))
    return found


def accounted(spec: ShardSpec, parts: Sequence[PartResult]) -> list[tuple[int, Chunk]]:
    """All chunks in order of their rows, each with its index.

    Raises:
        Incomplete: parts that are missing, double or of another task, or rows that are missing or
            double; the message lists all of them.
    """
    digest, wanted = spec.digest(), len(spec.parts)
    foreign = [p.index for p in parts if p.spec != digest or not 0 <= p.index < wanted]
    own = [p for p in parts if p.spec == digest and 0 <= p.index < wanted]
    counts = Counter(p.index for p in own)
    problems = [
        f"part {i} is of another task ({wanted} parts wanted, numbered from 0)"
        for i in sorted(foreign)
    ]
    problems += [f"part {i} is there {n} times" for i, n in sorted(counts.items()) if n > 1]
    for index in sorted(set(range(wanted)) - set(counts)):
        part = spec.parts[index]
        problems.append(f"part {index} (rows {part.start} to {part.stop - 1}) is missing")
    for result in own:
        problems += _rows_of(spec, result)
    if problems:
        rows = sum(c.stop - c.start for p in own for c in p.chunks)
        lines = "\n".join(f"  - {p}" for p in problems)
        raise Incomplete(
            f"{spec.task}: the parts do not make up the {spec.rows} rows "
            f"({rows} came in {len(parts)} parts):\n{lines}\n"
            "Nothing was joined. Run again: finished parts are kept, the others are done again."
        )
    return [(p.index, chunk) for p in sorted(own, key=lambda p: p.index) for chunk in p.chunks]


def _rows_of(spec: ShardSpec, result: PartResult) -> list[str]:
    """What is wrong with the rows of one part."""
    part, at = spec.parts[result.index], spec.parts[result.index].start
    problems = []
    for chunk in sorted(result.chunks, key=lambda c: c.start):
        if chunk.start != at:
            what = "missing" if chunk.start > at else "double"
            first, last = min(at, chunk.start), max(at, chunk.start) - 1
            problems.append(f"part {result.index}: rows {first} to {last} are {what}")
        at = max(at, chunk.stop)
    if at != part.stop:
        problems.append(f"part {result.index}: ends with row {at - 1}, wanted {part.stop - 1}")
    return problems


def folders(
    exchange: Exchange,
    job: str,
    chunks: Sequence[tuple[int, Chunk]],
    scratch: Path,
    code: Container[str] = (),
) -> Iterator[Path]:
    """The files of each chunk, verified; requesting the next chunk removes the one before.

    Args:
        exchange: where they are.
        job: name of the job's folder there.
        chunks: each with its index.
        scratch: a local folder.
        code: see ``Exchange.fetch_attempt``.

    Raises:
        UserError: a chunk is missing, damaged or not the one that its part names.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    for index, chunk in chunks:
        with tempfile.TemporaryDirectory(dir=scratch) as temporary:
            about = exchange.fetch_attempt(
                chunk_job(job, index), chunk.token, Path(temporary), code
            )
            if about["digest"] != chunk.digest:
                raise UserError(
                    f"part {index}, rows {chunk.start} to {chunk.stop - 1}: got content of digest "
                    f"{about['digest'][:12]}, wanted {chunk.digest[:12]} as in the part's result; "
                    f"delete jobs/{job} in the exchange and run again"
                )
            yield Path(temporary)


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
