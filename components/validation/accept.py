"""The ``validate`` step: checks a data set, quarantines bad records, hides training labels."""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.config.run import DataConfig
from components.core.errors import UserError
from components.core.failures import ended
from components.core.files import written_aside
from components.core.places import in_utf8
from components.core.progress import Progress, silent
from components.data.importing.split_words import split_of
from components.data.labels import visible_ids
from components.data.manifest import Manifest, load_manifest
from components.data.reader import Dataset
from components.data.splits import NEEDED
from components.validation.examine import Check, Chunk, build_checks, joined, read
from components.validation.fields import given_fields
from components.validation.frame import frame_of
from components.validation.rules import Rule, rules_for
from components.validation.stops import stops
from components.validation.stored_types import inexact_columns, schema_problems
from components.validation.summary import Outcome, write_summaries
from components.validation.writers import Writers

_EXAMPLES = 5


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
    dataset = opened(data.uri, manifest)
    seen = visible_ids(data.uri, data.labels, manifest.id)
    decoding, limits = build_checks(manifest, modalities or {}, base)
    from components.validation.expectations import Suite

    demands = rules_for(manifest)
    outcome = Outcome()
    suite: Suite | None = None
    with Writers(out, dataset.schema, manifest) as writers:
        for chunk in joined(
            read(dataset, {**decoding, **(checks or {})}, seen, progress), data.uri
        ):
            suite = suite or Suite(demands, limits)
            outcome.tally.inexact |= inexact_columns(chunk.table, manifest)
            bad = _judge(suite, chunk, manifest, demands, outcome)
            _divide(chunk, bad, writers, outcome, seen, manifest)
    assert suite is not None
    progress("checking records", dataset.rows, dataset.rows)
    if broken := stops(outcome.tally, manifest, outcome.quarantined, needed):
        raise _stop(data.uri, broken, outcome.examples)
    suite.write_docs(out / "data_docs")
    write_summaries(out, dataset, demands, outcome, len(seen or ()))


def opened(uri: str, manifest: Manifest) -> Dataset:
    """Open a data set that has records and whose stored types fit its manifest.

    Raises:
        UserError: it has none, or a column is missing or of another type.
    """
    dataset = Dataset(uri, manifest)
    if problems := schema_problems(dataset.schema, manifest):
        raise _stop(uri, dict(enumerate(problems)), {})
    if dataset.rows == 0:
        raise UserError(f"{uri}: the records are empty; wanted at least a few of each class")
    return dataset


def _judge(
    suite: Any,  # noqa: ANN401
    chunk: Chunk,
    manifest: Manifest,
    demands: Sequence[Rule],
    outcome: Outcome,
) -> dict[int, list[str]]:
    """Map each quarantined row of the chunk to its reasons."""
    frame = frame_of(chunk, manifest)
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


def _divide(
    chunk: Chunk,
    bad: dict[int, list[str]],
    writers: Writers,
    outcome: Outcome,
    seen: frozenset[str] | None,
    manifest: Manifest,
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
    outcome.tally.given.update(given_fields(chunk.table, good, splits, manifest))
    for modality, odd in chunk.noticed.items():
        for row in good:
            for notice in odd[row]:
                outcome.noticed[modality, notice].append(str(chunk.ids[row]))
    if seen is not None:
        outcome.seen += sum(
            s == "train" and chunk.ids[r] in seen for r, s in zip(good, splits, strict=True)
        )


def _stop(uri: str, broken: Mapping[Any, str], examples: Mapping[str, list[str]]) -> UserError:
    """One message with every reason, and examples of the bad records behind them."""
    lines = [f"the data set {uri} cannot be used:", *(f"  - {why}" for why in broken.values())]
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
