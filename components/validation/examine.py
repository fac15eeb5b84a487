"""Records read in order, each batch with what was found out about it; hidden labels end here."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from components.core.errors import BadInput, UsageError, UserError, unknown_name
from components.core.progress import Progress
from components.data.manifest import MEDIA, Manifest
from components.data.media import Media
from components.data.reader import ROWS, Dataset, Fault, raws
from components.parts import loading as parts
from components.validation import rules

if TYPE_CHECKING:
    from components.parts.contracts import Modality, Raw

_FRAME_ROWS = 50_000
_FRAME_BYTES = 256 << 20
"""Records are judged together up to either of these, so that memory stays bounded."""


@dataclass(kw_only=True)
class Chunk:
    """Records with all that was found out about them, row by row."""

    first: int
    table: pa.Table
    """The original columns, hidden labels emptied."""
    ids: list[str | None]
    groups: list[str | None]
    splits: list[str | None]
    labels: list[str | None]
    occurrence: list[int | None]
    readable: dict[str, list[str | None]]
    """Modality to, for each row: nothing, the reason why not, or None where absent."""


def build_checks(
    manifest: Manifest, options: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, "Modality"], dict[str, dict[str, Any]]]:
    """Each modality built from its kind and options (only its ``check`` is used here), and its limits by frame column."""
    if strange := [name for name in options if name not in manifest.modalities]:
        raise UsageError(
            "\n".join(
                f"modalities: {unknown_name('modality', name, manifest.modalities)}"
                for name in strange
            )
        )
    built, limits = {}, {}
    for name, spec in sorted(manifest.modalities.items()):
        config = parts.configure("kinds", spec.kind, options.get(name, {}))
        columns = spec.model_dump(mode="json")
        built[name] = parts.load("kinds", spec.kind).build(config, name=name, columns=columns)
        limits[rules.readable(name)] = {
            k: v for k, v in asdict(config).items() if k.startswith("max_")
        }
    return built, limits


def read(
    dataset: Dataset, checks: dict[str, "Modality"], seen: frozenset[str] | None, progress: Progress
) -> Iterator[Chunk]:
    """The records in order, each batch with what was found out about it; hidden labels end here."""
    manifest, before, first = dataset.manifest, Counter[str](), 0
    needs_media = any(m.kind in MEDIA for m in manifest.modalities.values())
    media = dataset.media() if needs_media else None
    with ThreadPoolExecutor() as pool:
        for batch in dataset.batches(ROWS):
            ids = rules.texts(batch.column(manifest.id).to_pylist())
            splits = rules.splits_of(batch, manifest)
            given = rules.texts(batch.column(manifest.target.column).to_pylist())
            labels = rules.visible_labels(given, splits, ids, seen)
            place = batch.schema.get_field_index(manifest.target.column)
            kind = batch.schema.field(place).type
            shown = pa.array(
                [
                    None if v is None else o
                    for v, o in zip(labels, batch.column(place).to_pylist(), strict=True)
                ],
                kind,
            )
            table = pa.Table.from_batches([batch]).set_column(
                place, batch.schema.field(place), shown
            )
            yield Chunk(
                first=first,
                table=table,
                ids=ids,
                groups=rules.texts(batch.column(manifest.group or manifest.id).to_pylist()),
                splits=splits,
                labels=labels,
                occurrence=rules.occurrences(ids, before),
                readable=_readable(batch, manifest, media, checks, pool),
            )
            first += batch.num_rows
            progress("checking records", first, dataset.rows)


def _readable(
    batch: pa.RecordBatch,
    manifest: Manifest,
    media: Media | None,
    checks: dict[str, "Modality"],
    pool: ThreadPoolExecutor,
) -> dict[str, list[str | None]]:
    faults: list[Fault] = []
    values = raws(batch, manifest, media, faults)
    result = {}
    for name, column in values.items():
        check = checks[name]

        def said(raw: "Raw | None", check: "Modality" = check) -> str | None:
            if raw is None:
                return None
            try:
                check.check(raw)
            except BadInput as error:
                return str(error)
            return ""

        result[name] = (
            list(pool.map(said, column))
            if manifest.modalities[name].kind in MEDIA
            else [said(r) for r in column]
        )
    for fault in faults:
        result[fault.modality][fault.row] = str(fault.error)
    return result


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
        **{name: flat(name) for name in ("ids", "groups", "splits", "labels", "occurrence")},
        readable={m: [v for c in held for v in c.readable[m]] for m in held[0].readable},
    )
