"""Reads the records in order and checks each batch; hidden labels are removed here."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from components.core.errors import BadInput, UsageError, UserError, unknown_name
from components.core.progress import Progress
from components.core.values import texts
from components.data.labels import Label, given_labels
from components.data.manifest import Manifest
from components.data.media import Media
from components.data.reader import ROWS, Dataset, Fault, raws
from components.parts import loading as parts
from components.parts.contracts import Findings, Kind, Noticing, Raw, decoded
from components.parts.modality_options import modality_options
from components.validation import rules
from components.validation.roles import occurrences, splits_of, times_of, visible_labels

_FLAT = ("ids", "groups", "times", "timed", "splits", "labels", "occurrence")
_FRAME_ROWS = 50_000
_FRAME_BYTES = 256 << 20
"""Limits of the records that are checked together, so that memory stays bounded."""


@dataclass(kw_only=True)
class Chunk:
    """Records with the findings about them, row by row."""

    first: int
    table: pa.Table
    """The original columns, hidden labels emptied."""
    ids: list[str | None]
    groups: list[str | None]
    times: list[float | None]
    """Seconds since 1970, where the data set has times."""
    timed: list[str | None]
    """Empty if the time is readable, else the reason; None where there is none."""
    splits: list[str | None]
    labels: list[Label | None]
    occurrence: list[int | None]
    readable: dict[str, list[str | None]]
    """Modality to one cell per row: empty if readable, else the reason; None where absent."""
    noticed: dict[str, list[tuple[str, ...]]]
    """Modality to what is odd about each row's value."""


class Check(Protocol):
    """Finds out which raw values of one modality can be used, and which are odd."""

    def check(self, raws: Sequence[Raw], map_: Callable[..., Iterable[Any]]) -> Findings:
        """Faults and notices; ``map_`` is the ``map`` of a pool of threads."""
        ...


@dataclass(frozen=True)
class Decoding:
    """Checks values by decoding them as coarsely as possible; the results are discarded."""

    kind: Kind

    def check(self, raws: Sequence[Raw], map_: Callable[..., Iterable[Any]]) -> Findings:
        """See ``Check``."""
        found = Findings(faults={}, notices={})
        for row, value in enumerate(decoded(self.kind, raws, 1, map_)):
            if isinstance(value, BadInput):
                found.faults[row] = value
            elif isinstance(self.kind, Noticing):
                found.notices[row] = self.kind.notices(value)
        return found


def build_checks(
    manifest: Manifest, options: Mapping[str, Mapping[str, Any]], base: Path | None = None
) -> tuple[dict[str, Check], dict[str, dict[str, Any]]]:
    """Build the check of each modality by name; also return their limits by frame column.

    Raises:
        UsageError: an unknown modality, or wrong options for a kind.
    """
    if strange := [name for name in options if name not in manifest.modalities]:
        raise UsageError(
            "\n".join(
                f"modalities: {unknown_name('modality', name, manifest.modalities)}"
                for name in strange
            )
        )
    checks: dict[str, Check] = {}
    limits = {}
    for name, spec in sorted(manifest.modalities.items()):
        own, _ = modality_options(spec.kind, options.get(name, {}), base)
        config = parts.configure("kinds", spec.kind, own, base)
        kind = parts.load("kinds", spec.kind, base)
        columns = spec.model_dump(mode="json")
        checks[name] = Decoding(kind.build(config, name=name, columns=columns))
        limits[rules.readable(name)] = {
            k: v for k, v in asdict(config).items() if k.startswith("max_")
        }
    return checks, limits


def read(
    dataset: Dataset, checks: Mapping[str, Check], seen: frozenset[str] | None, progress: Progress
) -> Iterator[Chunk]:
    """Yield the records in order with the findings of each batch, without hidden labels."""
    manifest, before, first = dataset.manifest, Counter[str](), 0
    media = dataset.media() if manifest.media else None
    with ThreadPoolExecutor() as pool:
        for batch in dataset.batches(ROWS):
            ids = texts(batch.column(manifest.id).to_pylist())
            splits = splits_of(batch, manifest)
            given = given_labels(batch, manifest.target)
            labels = visible_labels(given, splits, ids, seen)
            readable, noticed = _checked(batch, manifest, media, checks, pool)
            times, timed = times_of(batch, manifest)
            yield Chunk(
                first=first,
                table=_shown(batch, labels, manifest),
                ids=ids,
                groups=texts(batch.column(manifest.group or manifest.id).to_pylist()),
                times=times,
                timed=timed,
                splits=splits,
                labels=labels,
                occurrence=occurrences(ids, before),
                readable=readable,
                noticed=noticed,
            )
            first += batch.num_rows
            progress("checking records", first, dataset.rows)


def _shown(batch: pa.RecordBatch, labels: Sequence[Label | None], manifest: Manifest) -> pa.Table:
    """The original columns; a label that may not be seen is emptied."""
    table = pa.Table.from_batches([batch])
    if manifest.target.column is None:
        return table
    place = batch.schema.get_field_index(manifest.target.column)
    cells = zip(labels, batch.column(place).to_pylist(), strict=True)
    field = batch.schema.field(place)
    shown = pa.array([None if label is None else cell for label, cell in cells], field.type)
    return table.set_column(place, field, shown)


def _checked(
    batch: pa.RecordBatch,
    manifest: Manifest,
    media: Media | None,
    checks: Mapping[str, Check],
    pool: ThreadPoolExecutor,
) -> tuple[dict[str, list[str | None]], dict[str, list[tuple[str, ...]]]]:
    """For each modality whether each row is readable, and what is odd about it."""
    unfetched: list[Fault] = []
    result: dict[str, list[str | None]] = {}
    odd: dict[str, list[tuple[str, ...]]] = {}
    for name, column in raws(batch, manifest, media, unfetched).items():
        at = [row for row, raw in enumerate(column) if raw is not None]
        given = [raw for raw in column if raw is not None]
        map_ = pool.map if name in manifest.media else map
        found = checks[name].check(given, map_)
        result[name] = [None if raw is None else "" for raw in column]
        odd[name] = [()] * len(column)
        for position, fault in found.faults.items():
            result[name][at[position]] = str(fault)
        for position, notices in found.notices.items():
            odd[name][at[position]] = notices
    for lost in unfetched:
        result[lost.modality][lost.row] = str(lost.error)
    return result, odd


def joined(batches: Iterator[Chunk], uri: str) -> Iterator[Chunk]:
    """Batches joined up to the size of a frame."""
    held: list[Chunk] = []
    for batch in batches:
        held.append(batch)
        if (
            sum(b.table.num_rows for b in held) >= _FRAME_ROWS
            or sum(b.table.nbytes for b in held) >= _FRAME_BYTES
        ):
            yield _one(held, uri)
            held = []
    if held:
        yield _one(held, uri)


def _one(held: list[Chunk], uri: str) -> Chunk:
    def flat(name: str) -> list[Any]:
        return [v for chunk in held for v in getattr(chunk, name)]

    try:
        table = pa.concat_tables([c.table for c in held], promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(
            f"{uri}: the parts of the records have different column types ({error})"
        ) from error
    return Chunk(
        first=held[0].first,
        table=table,
        **{name: flat(name) for name in _FLAT},
        readable={m: [v for c in held for v in c.readable[m]] for m in held[0].readable},
        noticed={m: [v for c in held for v in c.noticed[m]] for m in held[0].noticed},
    )
