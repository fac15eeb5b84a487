"""One index of a Job: its part chunk by chunk, without those that an earlier attempt finished."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import BadInput
from components.core.files import read_json, write_json
from components.core.progress import Progress, silent
from components.core.refs import digest_folder
from components.core.strict import Strict
from components.data.manifest import Manifest
from components.data.media import Media
from components.exchange.errors import ExchangeError
from components.exchange.exchange import OBJECTS, Exchange
from components.exchange.store import store_errors
from components.features.encode import Accepted, BatchEncoder
from components.parts.own import OWN
from components.prediction.answers_file import regrouped
from components.prediction.batch import Answers
from components.prediction.predictor import Predictor
from components.shards.spec import Part, ShardSpec

ANSWERS = "answers.parquet"
RESULT = "part.json"


class Chunk(Strict):
    """Finished rows: the token that they are stored under, and the digest of their files."""

    start: int
    stop: int
    token: str
    digest: str


class PartResult(Strict):
    """What an index writes when all its rows are finished."""

    spec: str
    """Digest of the spec."""
    index: int
    start: int
    stop: int
    chunks: list[Chunk]


class Task(Protocol):
    """Turns a table of records into the files of a chunk."""

    def chunk(self, records: pa.Table, out: Path) -> None:
        """Write the files for these records into an empty folder."""
        ...


class Encode:
    """A chunk is a features folder."""

    def __init__(self, spec: ShardSpec, folder: Path, cache: Path) -> None:
        self._records, self._base = Accepted.open(folder), folder / OWN
        place, opened = _media_of(spec, folder)
        self._encoder = BatchEncoder(
            self._records.manifest,
            spec.modalities,
            place,
            cache / "features",
            base=self._base,
            media=opened,
        )

    def chunk(self, records: pa.Table, out: Path) -> None:
        """Write the files for these records into an empty folder."""
        writer = self._records.writer(out, self._encoder.specs, len(records), self._base)
        writer.add(self._records.kept(records), *self._encoder.encode(records))
        writer.close()


class Predict:
    """A chunk is a table of answers."""

    def __init__(self, spec: ShardSpec, folder: Path, package: Path) -> None:
        manifest = Manifest.model_validate(read_json(folder / "dataset.json")["manifest"])
        self._answers = Answers(Predictor.load(package), manifest, *_media_of(spec, folder))

    def chunk(self, records: pa.Table, out: Path) -> None:
        """Write the files for these records into an empty folder."""
        pq.write_table(self._answers.table(records), out / ANSWERS)


def run_index(
    spec: ShardSpec,
    index: int,
    *,
    exchange: Exchange,
    job: str,
    attempt: str,
    cache: Path,
    progress: Progress = silent,
) -> dict[str, int]:
    """Do one part and write its result.

    Args:
        spec: the whole task.
        index: which part.
        exchange: inputs, finished chunks and results.
        job: name of the job's folder there.
        attempt: token of this attempt, which writes under no other one.
        cache: local folder.
        progress: called after every chunk.

    Returns:
        ``rows`` and ``chunks`` of the part, and the number of chunks that earlier attempts had
        finished (``resumed``).

    Raises:
        UserError: inputs that are missing or wrong, or an exchange that cannot be written.
    """
    part, digest = spec.parts[index], spec.digest()
    finished = finished_chunks(exchange, job, digest, index)
    resumed = len(finished)
    if any(start not in finished for start in range(part.start, part.stop, spec.chunk)):
        folder = _fetched(exchange, part.records, cache)
        task = _task(spec, folder, exchange, cache)
        for start, records in _chunks(part, folder, spec.chunk):
            if start not in finished:
                finished[start] = _finish(
                    task,
                    records,
                    start,
                    index,
                    exchange=exchange,
                    job=job,
                    attempt=attempt,
                    spec=digest,
                )
            progress(f"part {index}", start + len(records) - part.start, part.stop - part.start)
    result = PartResult(
        spec=digest,
        index=index,
        start=part.start,
        stop=part.stop,
        chunks=[finished[start] for start in sorted(finished)],
    )
    figures = {"rows": part.stop - part.start, "chunks": len(finished), "resumed": resumed}
    with tempfile.TemporaryDirectory() as temporary:
        write_json(Path(temporary) / RESULT, result.model_dump(mode="json"))
        exchange.put_attempt(
            job, f"{index}-{attempt}", Path(temporary), {"index": index, **figures}
        )
    return figures


def finished_chunks(exchange: Exchange, job: str, spec: str, index: int) -> dict[int, Chunk]:
    """First row to finished chunk of an index, whichever attempt wrote it."""
    chunks: dict[int, Chunk] = {}
    for done in exchange.attempts(chunk_job(job, index)):
        if done.about.get("spec") == spec:
            start, stop = int(done.about["start"]), int(done.about["stop"])
            chunks.setdefault(
                start,
                Chunk(start=start, stop=stop, token=done.token, digest=str(done.about["digest"])),
            )
    return chunks


def chunk_job(job: str, index: int) -> str:
    """The chunks of an index in the exchange: a job of its own, whose attempts are the chunks."""
    return f"{job}/chunks/{index}"


def _task(spec: ShardSpec, folder: Path, exchange: Exchange, cache: Path) -> Task:
    if spec.package is None:
        return Encode(spec, folder, cache)
    return Predict(spec, folder, _fetched(exchange, spec.package, cache))


def _media_of(spec: ShardSpec, folder: Path) -> tuple[str, type[Media]]:
    """Where the media are, and what opens them: packed beside the records, or in a store."""
    return (str(folder), Media) if spec.media is None else (spec.media, _StoreMedia)


class _StoreMedia(Media):
    """Media in a store. Where it does not answer, the attempt fails like one without exchange."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        with _reached(uri):
            super().__init__(uri)

    def fetch(
        self, paths: Sequence[str | None], field: str = "media"
    ) -> list[bytes | BadInput | None]:
        """The bytes behind each path, as ``Media.fetch`` gives them.

        Raises:
            ExchangeError: the store cannot be reached.
        """
        with _reached(self._uri):
            return super().fetch(paths, field)


@contextmanager
def _reached(uri: str) -> Iterator[None]:
    try:
        yield
    except store_errors(uri) as error:
        raise ExchangeError(
            f"media: this pod cannot read {uri}: {type(error).__name__}: {error}; give it the "
            "endpoint and credentials under trainer.env and trainer.secrets, or use an exchange "
            "that is a folder: media are then copied there"
        ) from error


def _fetched(exchange: Exchange, digest: str, cache: Path) -> Path:
    return exchange.fetch(f"{exchange.uri}/{OBJECTS}/{digest}", digest, cache)


def _chunks(part: Part, folder: Path, rows: int) -> Iterator[tuple[int, pa.Table]]:
    """Chunks of a part: number of the first row in the whole data set, and the records."""
    file = pq.ParquetFile(folder / "records.parquet")
    start = part.start
    for table in regrouped((pa.Table.from_batches([b]) for b in file.iter_batches(rows)), rows):
        yield start, table
        start += len(table)
    assert start == part.stop, (start, part)


def _finish(
    task: Task,
    records: pa.Table,
    start: int,
    index: int,
    *,
    exchange: Exchange,
    job: str,
    attempt: str,
    spec: str,
) -> Chunk:
    """Do a chunk; it counts once it is complete in the exchange."""
    token = f"{start}-{attempt}"
    about = {"spec": spec, "start": start, "stop": start + len(records)}
    with tempfile.TemporaryDirectory() as temporary:
        task.chunk(records, Path(temporary))
        digest = digest_folder(Path(temporary))
        exchange.put_attempt(chunk_job(job, index), token, Path(temporary), about)
    return Chunk(start=start, stop=start + len(records), token=token, digest=digest)
