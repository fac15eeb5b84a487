"""The ``validate`` step: checks a data set, quarantines bad records, hides training labels."""

import argparse
import json
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.config.run import DataConfig
from components.core.errors import UserError
from components.core.failures import ended
from components.core.files import write_json, written_aside
from components.core.places import in_utf8
from components.core.progress import Progress, silent
from components.data.importing.split_words import split_of
from components.data.labels import each_class, visible_ids
from components.data.manifest import RESERVED, Manifest, load_manifest
from components.data.reader import Dataset
from components.data.splits import NEEDED, SPLITS
from components.validation import rules
from components.validation.examine import Check, Chunk, build_checks, joined, read
from components.validation.rules import OCCURRENCE, PRESENT, Rule, Tally

_EXAMPLES = 5


@dataclass(kw_only=True)
class _Outcome:
    """Counts over the whole set."""

    tally: Tally = field(default_factory=Tally)
    quarantined: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    noticed: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """Modality and what is odd about it to the ids of accepted records."""
    seen: int = 0
    """Accepted training records that the label file shows."""


def validate(
    *,
    data: DataConfig,
    manifest: Manifest | None = None,
    modalities: Mapping[str, dict[str, Any]] | None = None,
    out: Path,
    base: Path | None = None,
    needed: Sequence[str] = NEEDED,
    checks: Mapping[str, Check] | None = None,
    progress: Progress = silent,
) -> None:
    """Check a data set and write the usable records.

    Writes ``records.parquet`` (accepted, hidden labels emptied), ``dataset.json`` (manifest,
    classes), ``quarantine/`` (bad records with reasons), ``summary.json`` and ``data_docs/``.
    Every record is either accepted or quarantined. Of several records with one id the first is
    kept.

    Args:
        data: where the records are and which labels may be seen.
        manifest: meaning of the columns, if it has been read already.
        modalities: options of each modality by name, among them the limits of its kind.
        out: an empty folder.
        base: folder that a user's own files are relative to.
        needed: splits without which there is no run.
        checks: checks of some modalities that replace the default, which only decodes.
        progress: called after every batch.

    Raises:
        UserError: the set cannot be used (severity ``stop``); lists every reason and remedy.
    """
    manifest = manifest or load_manifest(data.uri, data.manifest, base)
    dataset = Dataset(data.uri, manifest)
    if problems := rules.schema_problems(dataset.schema, manifest):
        raise _stop(data.uri, dict(enumerate(problems)), {})
    if dataset.rows == 0:
        raise UserError(f"{data.uri}: the records are empty; wanted at least a few of each class")
    seen = visible_ids(data.uri, data.labels, manifest.id)
    decoding, limits = build_checks(manifest, modalities or {}, base)
    from components.validation.expectations import Suite

    demands = rules.rules_for(manifest)
    outcome = _Outcome()
    suite: Suite | None = None
    with _Writers(out, dataset.schema, manifest) as writers:
        for chunk in joined(
            read(dataset, {**decoding, **(checks or {})}, seen, progress), data.uri
        ):
            suite = suite or Suite(demands, limits)
            outcome.tally.inexact |= rules.inexact_columns(chunk.table, manifest)
            bad = _judge(suite, chunk, manifest, demands, outcome)
            _divide(chunk, bad, writers, outcome, seen)
    assert suite is not None
    progress("checking records", dataset.rows, dataset.rows)
    stops = rules.stops(outcome.tally, manifest, outcome.quarantined, needed)
    if stops:
        raise _stop(data.uri, stops, outcome.examples)
    suite.write_docs(out / "data_docs")
    _write_summaries(out, dataset, demands, outcome, seen)


def _judge(
    suite: Any,  # noqa: ANN401
    chunk: Chunk,
    manifest: Manifest,
    demands: Sequence[Rule],
    outcome: _Outcome,
) -> dict[int, list[str]]:
    """Map each quarantined row of the chunk to its reasons."""
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
            reason = (
                str(value) if rule.check == "readable" else _reason(rule, value, chunk.ids[row])
            )
            bad.setdefault(row, []).append(reason)
            if len(outcome.examples[name]) < _EXAMPLES:
                outcome.examples[name].append(
                    f"record {chunk.ids[row] or f'in row {number}'}: {reason}"
                )
    return {row: sorted(reasons) for row, reasons in bad.items()}


def _reason(rule: Rule, value: object, key: str | None) -> str:
    match rule.check:
        case "first":
            return f"{rule.name}: got id {key!r} again, wanted {rule.says}"
        case "some":
            return f"{rule.name}: got none, wanted {rule.says}"
        case "given":
            return f"{rule.name}: got nothing in column {rule.column!r}, wanted {rule.says}"
    means = split_of(str(value)) if rule.name == "split known" else None
    mend = f"; write {means!r}" if means else ""
    return f"{rule.name}: got {value!r} in column {rule.column!r}, wanted {rule.says}{mend}"


def _frame(chunk: Chunk, manifest: Manifest) -> Any:  # noqa: ANN401
    """The pandas frame that the rules check.

    It has the roles as text, the columns of tabular modalities and the findings of the checks, but
    no media.
    """
    from components.validation.expectations import ROW

    columns: dict[str, Any] = {ROW: range(chunk.first, chunk.first + chunk.table.num_rows)}
    for name in manifest.used:
        column = chunk.table[name]
        plain = not (
            pa.types.is_binary(column.type)
            or pa.types.is_large_binary(column.type)
            or pa.types.is_nested(column.type)
        )
        if plain:
            columns[name] = _series(column)
        else:
            columns[name] = [None if null else "" for null in column.is_null().to_pylist()]
    roles: dict[str, Sequence[str | None]] = {manifest.id: chunk.ids}
    if manifest.target.column is not None:
        roles[manifest.target.column] = rules.told_labels(chunk.labels, manifest.target.classes)
    if manifest.group is not None:
        roles[manifest.group] = chunk.groups
    if manifest.split.column is not None:
        roles[manifest.split.column] = chunk.splits
    columns |= roles
    columns[OCCURRENCE] = chunk.occurrence
    columns |= {rules.readable(m): said for m, said in chunk.readable.items()}
    columns[PRESENT] = [
        sum(v is not None for v in row) for row in zip(*chunk.readable.values(), strict=True)
    ]
    import pandas as pd

    objects = {*roles, *(rules.readable(m) for m in chunk.readable)}
    return pd.DataFrame(
        {n: pd.Series(v, dtype=object) if n in objects else v for n, v in columns.items()}
    )


def _series(column: pa.ChunkedArray) -> Any:  # noqa: ANN401
    """A column in pandas' own types.

    Booleans with gaps, decimals and columns without any value become numbers.
    """
    if (
        pa.types.is_boolean(column.type)
        or pa.types.is_decimal(column.type)
        or pa.types.is_null(column.type)
    ):
        column = column.cast(pa.float64())
    return column.to_pandas()


def _divide(
    chunk: Chunk,
    bad: dict[int, list[str]],
    writers: "_Writers",
    outcome: _Outcome,
    seen: frozenset[str] | None,
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
    for modality, odd in chunk.noticed.items():
        for row in good:
            for notice in odd[row]:
                outcome.noticed[modality, notice].append(str(chunk.ids[row]))
    if seen is not None:
        outcome.seen += sum(
            s == "train" and chunk.ids[r] in seen for r, s in zip(good, splits, strict=True)
        )


class _Writers:
    """The files of accepted and quarantined records, open while the set is read."""

    def __init__(self, out: Path, schema: pa.Schema, manifest: Manifest) -> None:
        self._kept = [
            c
            for c in dict.fromkeys(manifest.feature_columns + manifest.slices)
            if c not in RESERVED
        ]
        sets = manifest.target.cells == "set"
        self._types = {n: pa.string() for n in RESERVED}
        self._types["label"] = pa.list_(pa.string()) if sets else pa.string()
        self._accepted = pa.schema([*self._types.items(), *(schema.field(c) for c in self._kept)])
        self._originals = [n for n in schema.names if n != manifest.id]
        named = [
            n if n not in ("row", "id", "reasons") else f"original {n}" for n in self._originals
        ]
        head = [("row", pa.int64()), ("id", pa.string()), ("reasons", pa.list_(pa.string()))]
        originals = [
            schema.field(n).with_name(m) for n, m in zip(self._originals, named, strict=True)
        ]
        self._quarantined = pa.schema([*head, *originals])
        (out / "quarantine").mkdir()
        self._to = (out / "records.parquet", out / "quarantine" / "records.parquet")

    def __enter__(self) -> "_Writers":
        self._files = [
            pq.ParquetWriter(p, s)
            for p, s in zip(self._to, (self._accepted, self._quarantined), strict=True)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def accept(self, chunk: Chunk, rows: list[int]) -> None:
        """Write accepted rows: the four roles under their fixed names, then features and slices."""
        labels = [v if v is None or isinstance(v, str) else each_class(v) for v in chunk.labels]
        roles: list[Sequence[Any]] = [chunk.ids, chunk.groups, chunk.splits, labels]
        arrays = [
            pa.array([values[r] for r in rows], kind)
            for values, kind in zip(roles, self._types.values(), strict=True)
        ]
        taken = chunk.table.select(self._kept).take(pa.array(rows, pa.int64()))
        self._files[0].write_table(pa.table([*arrays, *taken.columns], schema=self._accepted))

    def quarantine(self, chunk: Chunk, rows: list[int], reasons: list[list[str]]) -> None:
        """Write quarantined rows with their number, id and reasons."""
        numbers = pa.array([chunk.first + r for r in rows], pa.int64())
        ids = pa.array([chunk.ids[r] for r in rows], pa.string())
        taken = chunk.table.select(self._originals).take(pa.array(rows, pa.int64()))
        said = pa.array(reasons, pa.list_(pa.string()))
        self._files[1].write_table(
            pa.table([numbers, ids, said, *taken.columns], schema=self._quarantined)
        )


def _write_summaries(
    out: Path,
    dataset: Dataset,
    demands: Sequence[Rule],
    outcome: _Outcome,
    seen: frozenset[str] | None,
) -> None:
    manifest, tally = dataset.manifest, outcome.tally
    counts = {"train": tally.in_split("train"), "val": tally.in_split("val")}
    budget: dict[str, Any] = {**counts, "total": sum(counts.values())}
    said = rules.warnings(tally, manifest, 0 if seen is None else len(seen) - outcome.seen)
    said += rules.oddities(outcome.noticed)
    if outcome.quarantined:
        said.insert(
            0,
            f"{outcome.quarantined} records are in quarantine; "
            "quarantine/records.parquet says why for each",
        )
    failed = {name: outcome.failed[name] for name in sorted(outcome.failed)}
    write_json(
        out / "quarantine" / "reasons.json",
        {"counts": failed, "examples": dict(sorted(outcome.examples.items()))},
    )
    classes = tally.classes(manifest.target)
    if manifest.target.cells == "set":
        budget["by_class"] = {
            c: {s: tally.labelled[s, c] for s in ("train", "val")} for c in classes
        }
    write_json(
        out / "dataset.json", {"manifest": manifest.accepted().resolved(), "classes": classes}
    )
    write_json(
        out / "summary.json",
        {
            "records_in": dataset.rows,
            "accepted": tally.splits.total(),
            "quarantined": outcome.quarantined,
            "warnings": said,
            "label_budget": budget,
            "split": {s: tally.splits[s] for s in SPLITS},
            "rules": [
                {"name": r.name, "severity": r.severity, "failed": outcome.failed[r.name]}
                for r in demands
            ],
        },
    )


def _stop(uri: str, stops: Mapping[Any, str], examples: Mapping[str, list[str]]) -> UserError:
    """One message with every reason, and examples of the bad records behind them."""
    lines = [f"the data set {uri} cannot be used:", *(f"  - {why}" for why in stops.values())]
    for name, records in sorted(examples.items()):
        lines += [f"  quarantined by {name!r}:", *(f"    {record}" for record in records[:2])]
    return UserError("\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a data set from the command line and print the summary; DVC's data stage runs it.

    Usage: ``python -m components.validation.accept DATA OUT``.
    """
    parser = argparse.ArgumentParser(description="check a data set and write its usable records")
    parser.add_argument("data", help="the data set's folder")
    parser.add_argument("out", type=Path, help="folder for the result; replaced as a whole")
    parser.add_argument("--manifest")
    parser.add_argument(
        "--docs",
        type=Path,
        help="put the Data Docs here: they contain the time, everything else is reproducible",
    )
    chosen = parser.parse_args(arguments)

    def work() -> None:
        data = DataConfig(uri=in_utf8(chosen.data), manifest=chosen.manifest)
        with written_aside(chosen.out) as folder:
            validate(data=data, out=folder)
            if chosen.docs is not None:
                with written_aside(chosen.docs) as docs:
                    shutil.move(folder / "data_docs", docs / "site")
        summary = json.loads((chosen.out / "summary.json").read_text(encoding="utf-8"))
        sys.stdout.write(json.dumps(summary, indent=1) + "\n")

    return ended(work)


if __name__ == "__main__":
    sys.exit(main())
