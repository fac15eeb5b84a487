"""Rules for single records and their columns, as they follow from a manifest.

Severities: ``stop`` (the set cannot be used), ``quarantine`` (the record is left out and the run
continues), ``warn``. Rules of the whole set are in ``stops`` and ``warnings``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from components.core.moments import WANTED
from components.data.manifest import Manifest
from components.data.splits import SPLITS

Severity = Literal["stop", "quarantine", "warn"]
Check = Literal["exist", "number", "given", "in", "first", "some", "readable"]

OCCURRENCE = "concord:occurrence"
"""Frame column: 1-based occurrence number of the record's id in the whole set."""
WHEN = "concord:the time"
"""Frame column: empty if the record's time can be read, else the reason; null without one."""
PRESENT = "concord:present"
"""Frame column: how many modalities the record has."""
MOST_NAMED = 5
"""Number of examples in a message."""


def readable(modality: str) -> str:
    """Frame column of a modality: empty if readable, else the reason; null if absent."""
    return f"concord:{modality}"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule for a column of the frame of records.

    Attributes:
        name: its name in results.
        severity: what happens when a record breaks it.
        column: the frame's column; empty if the rule is about all columns.
        check: ``exist`` (all ``values``), ``number``, ``given``, ``in`` (``values``), ``first``
            (1), ``some`` (1 or more), ``readable``.
        says: the rule in words, for the reasons that users read.
        values: the columns for ``exist``, the allowed values for ``in``.
    """

    name: str
    severity: Severity
    column: str
    check: Check
    says: str
    values: tuple[str, ...] = ()


def rules_for(manifest: Manifest) -> list[Rule]:
    """The rules for records and columns that follow from a manifest."""
    return [*_column_rules(manifest), *_record_rules(manifest)]


def _column_rules(manifest: Manifest) -> Iterator[Rule]:
    """What stops a run, since no record could be right."""
    yield Rule(
        name="columns exist",
        severity="stop",
        column="",
        check="exist",
        says="every column that the manifest names",
        values=tuple(manifest.used),
    )
    for name in sorted(manifest.modalities):
        for column, spec in (manifest.modalities[name].columns or {}).items():
            if spec.type == "number":
                yield Rule(
                    name=f"{column} is a number",
                    severity="stop",
                    column=column,
                    check="number",
                    says="numbers",
                )


def _record_rules(manifest: Manifest) -> Iterator[Rule]:
    """What puts a record aside."""
    yield _quarantine("id given", manifest.id, "given", "an id")
    first = "each id once; the first record with it is kept"
    yield _quarantine("id unique", OCCURRENCE, "first", first)
    if manifest.group is not None:
        yield _quarantine("group given", manifest.group, "given", "a group")
    if manifest.time is not None:
        yield _quarantine("time readable", WHEN, "readable", WANTED)
    if (column := manifest.split.column) is not None:
        one = f"one of {', '.join(SPLITS)}"
        yield _quarantine("split given", column, "given", one)
        yield _quarantine("split known", column, "in", one, SPLITS)
    if manifest.target.classes is not None and manifest.target.column is not None:
        yield _label_known(manifest.target.column, manifest.target.classes)
    decodes = "a value that decodes and keeps the limits"
    for name in sorted(manifest.modalities):
        yield _quarantine(f"{name} readable", readable(name), "readable", decodes)
    yield _quarantine("some modality", PRESENT, "some", "at least one modality in each record")


def _label_known(column: str, classes: Sequence[str]) -> Rule:
    some = ", ".join(classes[:MOST_NAMED]) + (", …" if len(classes) > MOST_NAMED else "")
    says = f"one of the {len(classes)} classes that the manifest lists ({some})"
    return _quarantine("label known", column, "in", says, classes)


def _quarantine(
    name: str, column: str, check: Check, says: str, values: Sequence[str] = ()
) -> Rule:
    return Rule(
        name=name,
        severity="quarantine",
        column=column,
        check=check,
        says=says,
        values=tuple(values),
    )
