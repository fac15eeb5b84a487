"""The ``validate`` step: reads a data set once, puts bad records aside with their reasons, and hides what may not be seen."""

import argparse
import json
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from components import parts
from components.config import DataConfig
from components.data.labels import visible_ids
from components.data.manifest import MEDIA, RESERVED, Manifest, load_manifest
from components.data.media import Media
from components.data.reader import ROWS, Dataset, Fault, raws
from components.data.splits import SPLITS
from components.errors import BadInput, UserError
from components.progress import Progress, silent
from components.refs import write_json, written_aside
from components.validation import rules
from components.validation.rules import OCCURRENCE, PRESENT, Rule, Tally

if TYPE_CHECKING:
    from components.contracts import Modality, Raw

VERSION = 1
"""Raise it when the same data give another output."""
_FRAME_ROWS = 50_000
_FRAME_BYTES = 256 << 20
"""Records are judged together up to either of these, so that memory stays bounded."""
_EXAMPLES = 5


@dataclass(kw_only=True)
class _Chunk:
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


@dataclass(kw_only=True)
class _Outcome:
    """Counted over the whole set."""

    tally: Tally = field(default_factory=Tally)
    quarantined: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: int = 0
    """Accepted training records that the label file shows."""


def validate(
    *, data: DataConfig, modalities: Mapping[str, dict[str, Any]] | None = None, out: Path, progress: Progress = silent
) -> None:
    """Check a data set and write what may be used of it.

    Writes ``records.parquet`` (accepted, hidden labels emptied), ``dataset.json`` (manifest, classes), ``quarantine/`` (bad
    records with reasons), ``summary.json`` and ``data_docs/``. Accepted and quarantined records together are all records.
    Of several records with one id the first is kept.

    Args:
        data: where the records are and which labels may be seen.
        modalities: options of each modality's kind, by modality name; they carry the limits.
        out: an empty folder.
        progress: told of records checked.

    Raises:
        UserError: the set cannot be used (severity ``stop``): every reason, and what to do.
    """
    manifest = load_manifest(data.uri, data.manifest)
    dataset = Dataset(data.uri, manifest)
    if problems := rules.schema_problems(dataset.schema, manifest):
        raise _stop(data.uri, dict(enumerate(problems)), {})
    if dataset.rows == 0:
        raise UserError(f"{data.uri}: the records are empty; wanted at least a few of each class")
    seen = visible_ids(data.uri, data.labels, manifest.id)
    checks, limits = _checks(manifest, modalities or {})
    from components.validation.expectations import Suite

    demands = rules.rules_for(manifest)
    outcome = _Outcome()
    suite: Suite | None = None
    with _Writers(out, dataset.schema, manifest) as writers:
        for chunk in _chunks(_read(dataset, checks, seen, progress), data.uri):
            suite = suite or Suite(demands, limits)
            bad = _judge(suite, chunk, manifest, demands, outcome)
            _divide(chunk, bad, writers, outcome, seen)
    assert suite is not None
    progress("checking records", dataset.rows, dataset.rows)
    stops = rules.stops(outcome.tally, manifest, outcome.quarantined)
    if stops:
        raise _stop(data.uri, stops, outcome.examples)
    suite.write_docs(out / "data_docs")
    _write_summaries(out, dataset, demands, outcome, seen)


def _checks(
    manifest: Manifest, options: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, "Modality"], dict[str, dict[str, Any]]]:
    """Each modality built from its kind and options (only its ``check`` is used here), and its limits by frame column."""
    built, limits = {}, {}
    for name, spec in sorted(manifest.modalities.items()):
        config = parts.configure("modality kind", spec.kind, options.get(name, {}))
        columns = spec.model_dump(mode="json")
        built[name] = parts.load("modality kind", spec.kind).build(config, name=name, columns=columns)
        limits[rules.readable(name)] = {k: v for k, v in asdict(config).items() if k.startswith("max_")}
    return built, limits


def _read(dataset: Dataset, checks: dict[str, "Modality"], seen: frozenset[str] | None, progress: Progress) -> Iterator[_Chunk]:
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
                [None if v is None else o for v, o in zip(labels, batch.column(place).to_pylist(), strict=True)], kind
            )
            table = pa.Table.from_batches([batch]).set_column(place, batch.schema.field(place), shown)
            yield _Chunk(
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
    batch: pa.RecordBatch, manifest: Manifest, media: Media | None, checks: dict[str, "Modality"], pool: ThreadPoolExecutor
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

        result[name] = list(pool.map(said, column)) if manifest.modalities[name].kind in MEDIA else [said(r) for r in column]
    for fault in faults:
        result[fault.modality][fault.row] = str(fault.error)
    return result


def _chunks(batches: Iterator[_Chunk], uri: str) -> Iterator[_Chunk]:
    """Batches joined up to the size of a frame."""
    held: list[_Chunk] = []
    for batch in batches:
        held.append(batch)
        if sum(b.table.num_rows for b in held) >= _FRAME_ROWS or sum(b.table.nbytes for b in held) >= _FRAME_BYTES:
            yield _joined(held, uri)
            held = []
    if held:
        yield _joined(held, uri)


def _joined(held: list[_Chunk], uri: str) -> _Chunk:
    def flat(name: str) -> list[Any]:
        return [v for chunk in held for v in getattr(chunk, name)]

    try:
        table = pa.concat_tables([c.table for c in held], promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"{uri}: the parts of the records have different column types ({error})") from error
    return _Chunk(
        first=held[0].first,
        table=table,
        **{name: flat(name) for name in ("ids", "groups", "splits", "labels", "occurrence")},
        readable={m: [v for c in held for v in c.readable[m]] for m in held[0].readable},
    )


def _judge(suite: Any, chunk: _Chunk, manifest: Manifest, demands: Sequence[Rule], outcome: _Outcome) -> dict[int, list[str]]:  # noqa: ANN401
    """Row within the chunk to the reasons why it is put aside."""
    frame = _frame(chunk, manifest)
    bad: dict[int, list[str]] = {}
    by_name = {rule.name: rule for rule in demands}
    for name, numbers in suite.judge(frame).items():
        rule = by_name[name]
        outcome.failed[name] += len(numbers)
        assert rule.severity == "quarantine", f"{name}: a stop that the schema did not show"
        for number in numbers:
            row = number - chunk.first
            value = frame[rule.column].iloc[row]
            reason = str(value) if rule.check == "readable" else _reason(rule, value, chunk.ids[row])
            bad.setdefault(row, []).append(reason)
            if len(outcome.examples[name]) < _EXAMPLES:
                outcome.examples[name].append(f"record {chunk.ids[row] or f'in row {number}'}: {reason}")
    return {row: sorted(reasons) for row, reasons in bad.items()}


def _reason(rule: Rule, value: object, key: str | None) -> str:
    match rule.check:
        case "first":
            return f"{rule.name}: got id {key!r} again, wanted {rule.says}"
        case "some":
            return f"{rule.name}: got none, wanted {rule.says}"
        case "given":
            return f"{rule.name}: got nothing in column {rule.column!r}, wanted {rule.says}"
    return f"{rule.name}: got {value!r} in column {rule.column!r}, wanted {rule.says}"


def _frame(chunk: _Chunk, manifest: Manifest) -> Any:  # noqa: ANN401
    """What the rules look at, as pandas: roles as text, columns of tabular modalities, what was found out; no media."""
    from components.validation.expectations import ROW

    columns: dict[str, Any] = {ROW: range(chunk.first, chunk.first + chunk.table.num_rows)}
    for name in manifest.used:
        column = chunk.table[name]
        plain = not (
            pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type) or pa.types.is_nested(column.type)
        )
        if plain:
            columns[name] = _series(column)
        else:
            columns[name] = [None if null else "" for null in column.is_null().to_pylist()]
    roles = {manifest.id: chunk.ids, manifest.target.column: chunk.labels}
    if manifest.group is not None:
        roles[manifest.group] = chunk.groups
    if manifest.split.column is not None:
        roles[manifest.split.column] = chunk.splits
    columns |= roles
    columns[OCCURRENCE] = chunk.occurrence
    columns |= {rules.readable(m): said for m, said in chunk.readable.items()}
    columns[PRESENT] = [sum(v is not None for v in row) for row in zip(*chunk.readable.values(), strict=True)]
    import pandas as pd

    objects = {*roles, *(rules.readable(m) for m in chunk.readable)}
    return pd.DataFrame({n: pd.Series(v, dtype=object) if n in objects else v for n, v in columns.items()})


def _series(column: pa.ChunkedArray) -> Any:  # noqa: ANN401
    """A column in pandas' own types; true/false with gaps become numbers."""
    if pa.types.is_boolean(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return column.to_pandas()


def _divide(
    chunk: _Chunk, bad: dict[int, list[str]], writers: "_Writers", outcome: _Outcome, seen: frozenset[str] | None
) -> None:
    """Write accepted and quarantined records, each in order, and count."""
    good = [row for row in range(chunk.table.num_rows) if row not in bad]
    aside = sorted(bad)
    writers.accept(chunk, good)
    writers.quarantine(chunk, aside, [bad[row] for row in aside])
    outcome.quarantined += len(aside)
    splits = [str(chunk.splits[r]) for r in good]
    outcome.tally.add(
        [str(chunk.groups[r]) for r in good],
        splits,
        [chunk.labels[r] for r in good],
        {m: [said[r] is not None for r in good] for m, said in chunk.readable.items()},
    )
    if seen is not None:
        outcome.seen += sum(s == "train" and chunk.ids[r] in seen for r, s in zip(good, splits, strict=True))


class _Writers:
    """The two files that records go to, open while the set is read."""

    def __init__(self, out: Path, schema: pa.Schema, manifest: Manifest) -> None:
        self._kept = [c for c in dict.fromkeys(manifest.feature_columns + manifest.slices) if c not in RESERVED]
        self._accepted = pa.schema([*((n, pa.string()) for n in RESERVED), *(schema.field(c) for c in self._kept)])
        self._originals = [n for n in schema.names if n != manifest.id]
        named = [n if n not in ("row", "id", "reasons") else f"original {n}" for n in self._originals]
        head = [("row", pa.int64()), ("id", pa.string()), ("reasons", pa.list_(pa.string()))]
        originals = [schema.field(n).with_name(m) for n, m in zip(self._originals, named, strict=True)]
        self._quarantined = pa.schema([*head, *originals])
        (out / "quarantine").mkdir()
        self._to = (out / "records.parquet", out / "quarantine" / "records.parquet")

    def __enter__(self) -> "_Writers":
        self._files = [pq.ParquetWriter(p, s) for p, s in zip(self._to, (self._accepted, self._quarantined), strict=True)]
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def accept(self, chunk: _Chunk, rows: list[int]) -> None:
        """Write accepted rows: the four roles under their fixed names, then features and slices."""
        roles = (chunk.ids, chunk.groups, chunk.splits, chunk.labels)
        arrays = [pa.array([values[r] for r in rows], pa.string()) for values in roles]
        taken = chunk.table.select(self._kept).take(pa.array(rows, pa.int64()))
        self._files[0].write_table(pa.table([*arrays, *taken.columns], schema=self._accepted))

    def quarantine(self, chunk: _Chunk, rows: list[int], reasons: list[list[str]]) -> None:
        """Write rows that were put aside, with their number, id and reasons."""
        numbers = pa.array([chunk.first + r for r in rows], pa.int64())
        ids = pa.array([chunk.ids[r] for r in rows], pa.string())
        taken = chunk.table.select(self._originals).take(pa.array(rows, pa.int64()))
        said = pa.array(reasons, pa.list_(pa.string()))
        self._files[1].write_table(pa.table([numbers, ids, said, *taken.columns], schema=self._quarantined))


def _write_summaries(
    out: Path, dataset: Dataset, demands: Sequence[Rule], outcome: _Outcome, seen: frozenset[str] | None
) -> None:
    manifest, tally = dataset.manifest, outcome.tally
    budget = {"train": tally.in_split("train"), "val": tally.in_split("val")}
    said = rules.warnings(tally, manifest, 0 if seen is None else len(seen) - outcome.seen)
    if outcome.quarantined:
        said.insert(0, f"{outcome.quarantined} records are in quarantine; quarantine/records.parquet says why for each")
    counts = {name: outcome.failed[name] for name in sorted(outcome.failed)}
    write_json(out / "quarantine" / "reasons.json", {"counts": counts, "examples": dict(sorted(outcome.examples.items()))})
    classes = tally.classes(manifest.target.classes)
    write_json(out / "dataset.json", {"manifest": manifest.accepted().resolved(), "classes": classes})
    write_json(
        out / "summary.json",
        {
            "records_in": dataset.rows,
            "accepted": tally.splits.total(),
            "quarantined": outcome.quarantined,
            "warnings": said,
            "label_budget": {**budget, "total": sum(budget.values())},
            "split": {s: tally.splits[s] for s in SPLITS},
            "rules": [{"name": r.name, "severity": r.severity, "failed": outcome.failed[r.name]} for r in demands],
        },
    )


def _stop(uri: str, stops: Mapping[Any, str], examples: Mapping[str, list[str]]) -> UserError:
    """One message with every reason, and examples of the bad records behind them."""
    lines = [f"the data set {uri} cannot be used:", *(f"  - {why}" for why in stops.values())]
    for name, records in sorted(examples.items()):
        lines += [f"  quarantined by {name!r}:", *(f"    {record}" for record in records[:2])]
    return UserError("\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m components.validation.accept DATA OUT``: what the data stage runs; prints the summary."""
    parser = argparse.ArgumentParser(description="check a data set and write what may be used of it")
    parser.add_argument("data", help="the data set's folder")
    parser.add_argument("out", type=Path, help="folder for the result; replaced as a whole")
    parser.add_argument("--manifest")
    parser.add_argument("--docs", type=Path, help="put the Data Docs here: they name the hour, all else is the same each time")
    chosen = parser.parse_args(arguments)
    try:
        with written_aside(chosen.out) as folder:
            validate(data=DataConfig(uri=chosen.data, manifest=chosen.manifest), out=folder)
            if chosen.docs is not None:
                with written_aside(chosen.docs) as docs:
                    shutil.move(folder / "data_docs", docs / "site")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    summary = json.loads((chosen.out / "summary.json").read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
