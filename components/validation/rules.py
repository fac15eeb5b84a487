"""Rules for single records and for the whole data set, as pure functions over batches.

Severities: ``stop`` (the set cannot be used), ``quarantine`` (the record is left out and the run
continues), ``warn``.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from components.core.values import texts
from components.data.labels import Label, each_class
from components.data.manifest import Manifest, Target
from components.data.splits import NEEDED, SPLITS, assign

Severity = Literal["stop", "quarantine", "warn"]

OCCURRENCE = "concord:occurrence"
"""Frame column: 1-based occurrence number of the record's id in the whole set."""
PRESENT = "concord:present"
"""Frame column: how many modalities the record has."""
_MOST_NAMED = 5
"""Number of examples in a message."""
_FRACTION = re.compile(r"-?\d+\.\d+(e-?\d+)?")
_WHOLE = re.compile(r"-?\d+")
_MANY_NUMBERS = 100
"""More classes than this that are whole numbers may be a measured quantity; fewer are codes."""
_FEW_GROUPS = 30
_EXACT = 2**53
"""Up to here a floating-point number holds every whole number."""
MOST_QUARANTINED = 0.5
"""Largest share of bad records; beyond it the manifest is probably wrong, not the records."""


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
    check: Literal["exist", "number", "given", "in", "first", "some", "readable"]
    says: str
    values: tuple[str, ...] = ()


def rules_for(manifest: Manifest) -> list[Rule]:
    """The rules for records and columns that follow from a manifest."""
    says = "every column that the manifest names"
    rules = [
        Rule(
            name="columns exist",
            severity="stop",
            column="",
            check="exist",
            says=says,
            values=tuple(manifest.used),
        )
    ]
    for name in sorted(manifest.modalities):
        for column, spec in (manifest.modalities[name].columns or {}).items():
            if spec.type == "number":
                rules.append(
                    Rule(
                        name=f"{column} is a number",
                        severity="stop",
                        column=column,
                        check="number",
                        says="numbers",
                    )
                )

    def quarantine(
        name: str,
        column: str,
        check: Any,  # noqa: ANN401
        says: str,
        values: Iterable[str] = (),
    ) -> None:
        rules.append(
            Rule(
                name=name,
                severity="quarantine",
                column=column,
                check=check,
                says=says,
                values=tuple(values),
            )
        )

    quarantine("id given", manifest.id, "given", "an id")
    quarantine("id unique", OCCURRENCE, "first", "each id once; the first record with it is kept")
    if manifest.group is not None:
        quarantine("group given", manifest.group, "given", "a group")
    if manifest.split.column is not None:
        quarantine("split given", manifest.split.column, "given", f"one of {', '.join(SPLITS)}")
        quarantine(
            "split known", manifest.split.column, "in", f"one of {', '.join(SPLITS)}", SPLITS
        )
    target = manifest.target
    if target.classes is not None and target.column is not None:
        classes = target.classes
        some = ", ".join(classes[:_MOST_NAMED]) + (", …" if len(classes) > _MOST_NAMED else "")
        says = f"one of the {len(classes)} classes that the manifest lists ({some})"
        quarantine("label known", target.column, "in", says, classes)
    for name in sorted(manifest.modalities):
        quarantine(
            f"{name} readable",
            readable(name),
            "readable",
            "a value that decodes and keeps the limits",
        )
    quarantine("some modality", PRESENT, "some", "at least one modality in each record")
    return rules


def schema_problems(
    schema: pa.Schema, manifest: Manifest, columns: Sequence[str] | None = None
) -> list[str]:
    """One message for each column whose stored type contradicts the manifest.

    Args:
        schema: stored types, without dictionaries and views (see ``data.columns``).
        manifest: what the columns mean.
        columns: the columns to check; by default all that the manifest names.
    """
    problems = []
    checked = manifest.used if columns is None else columns

    def demand(column: str | None, allowed: Callable[[pa.DataType], bool], wanted: str) -> None:
        if column in checked and not allowed(kind := schema.field(column).type):
            problems.append(f"column {column!r}: got type {kind}, wanted {wanted}")

    sets = manifest.target.cells == "set"
    for role in (manifest.id, manifest.group, None if sets else manifest.target.column):
        demand(role, _is_named, "text, numbers, true/false or dates")
    if sets and manifest.target.separator is None:
        wanted = "a list of texts or numbers; or name the `target.separator` of sets stored as text"
        demand(manifest.target.column, lambda kind: _is_set(kind) and not _is_text(kind), wanted)
    elif sets:
        demand(manifest.target.column, _is_set, "text with the separator, or a list of texts")
    demand(manifest.split.column, _is_text, f"text: {', '.join(SPLITS)}")
    for modality in manifest.modalities.values():
        if modality.raw != "fields":
            demand(modality.column, *_ALONE[modality.raw])
        for column, spec in (modality.columns or {}).items():
            demand(column, *_FIELDS[spec.type])
    return problems


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind))


def _is_number(kind: pa.DataType) -> bool:
    types = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return pa.types.is_null(kind) or any(of_type(kind) for of_type in types)


def _is_named(kind: pa.DataType) -> bool:
    """Whether each value of the type has one text (see ``core.values.as_text``)."""
    dates = (pa.types.is_date, pa.types.is_timestamp, pa.types.is_time)
    return _is_text(kind) or _is_number(kind) or any(of_type(kind) for of_type in dates)


def _is_set(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_named(kind.value_type)
    return _is_text(kind)


_ALONE: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "bytes": (lambda kind: _is_text(kind) or _is_bytes(kind), "paths (text) or bytes"),
    "text": (_is_text, "text"),
}
"""Raw type of a modality in one column to the stored types that it may have."""
_FIELDS: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "number": (_is_number, "numbers; convert it, or declare it a category"),
    "category": (_is_named, "text, numbers, true/false or dates"),
    "set": (_is_set, "text with a separator, or a list of texts, numbers or dates"),
}
"""Type of a field to the stored types that it may have, and their description."""


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def splits_of(batch: pa.RecordBatch | pa.Table, manifest: Manifest) -> list[str | None]:
    """Split of each record: from the split column, else by hash of the group, else of the id.

    It is None where that value is missing.
    """
    if manifest.split.column is not None:
        return texts(batch.column(manifest.split.column).to_pylist())
    keys = texts(batch.column(manifest.group or manifest.id).to_pylist())
    return [
        s if k is not None else None
        for k, s in zip(keys, assign([k or "" for k in keys], manifest.split), strict=True)
    ]


def inexact_columns(table: pa.Table, manifest: Manifest) -> set[str]:
    """Columns of numbers with whole numbers beyond 2^53, which are more likely codes."""
    found = set()
    for modality in manifest.modalities.values():
        for column, spec in (modality.columns or {}).items():
            whole = spec.type == "number" and pa.types.is_integer(table[column].type)
            ends = pc.min_max(table[column]).as_py().values() if whole else ()
            if any(end is not None and abs(end) > _EXACT for end in ends):
                found.add(column)
    return found


def told_labels(labels: Sequence[Label | None], classes: Sequence[str] | None) -> list[str | None]:
    """Labels as the rule ``label known`` reads them; of a set the first class that is unknown."""
    known = None if classes is None else frozenset(classes)
    return [
        next((c for c in label if known is not None and c not in known), None)
        if isinstance(label, list)
        else label
        for label in labels
    ]


def visible_labels(
    labels: Sequence[Label | None],
    splits: Sequence[str | None],
    ids: Sequence[str | None],
    seen: frozenset[str] | None,
) -> list[Label | None]:
    """Labels that the run may see: all of val and test, and of train those in ``seen``.

    If ``seen`` is None, all training labels are visible.
    """
    if seen is None:
        return list(labels)
    return [
        label if split in ("val", "test") or key in seen else None
        for label, split, key in zip(labels, splits, ids, strict=True)
    ]


def occurrences(ids: Sequence[str | None], before: Counter[str]) -> list[int | None]:
    """1-based occurrence number of each id; updates the counts in ``before``."""
    result: list[int | None] = []
    for key in ids:
        if key is None:
            result.append(None)
        else:
            before[key] += 1
            result.append(before[key])
    return result


@dataclass(kw_only=True)
class Tally:
    """Counts over all accepted records, for the rules of the whole set."""

    splits: Counter[str] = field(default_factory=Counter)
    labelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of records with a visible label by (split, class)."""
    labels: Counter[str] = field(default_factory=Counter)
    """Number of records with a visible label by split."""
    empty: Counter[str] = field(default_factory=Counter)
    """Those of them whose set of classes is empty."""
    repeated: int = 0
    """Number of records whose set names a class twice."""
    present: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of records that have the modality by (split, modality)."""
    groups: dict[str, str] = field(default_factory=dict)
    """Group to the split in which it was first seen."""
    straddling: dict[str, set[str]] = field(default_factory=dict)
    inexact: set[str] = field(default_factory=set)
    """Columns of numbers with whole numbers that a number cannot tell apart."""

    def add(
        self,
        groups: Sequence[str],
        splits: Sequence[str],
        labels: Sequence[Label | None],
        present: Mapping[str, Sequence[bool]],
    ) -> None:
        """Count the groups, splits, visible labels and modalities of accepted records."""
        self.splits.update(splits)
        for split, label in zip(splits, labels, strict=True):
            if label is None:
                continue
            classes = each_class(label)
            self.labels[split] += 1
            self.empty[split] += not classes
            self.repeated += isinstance(label, list) and len(classes) < len(label)
            self.labelled.update((split, c) for c in classes)
        for modality, has in present.items():
            self.present.update((s, modality) for s, h in zip(splits, has, strict=True) if h)
        for group, split in zip(groups, splits, strict=True):
            first = self.groups.setdefault(group, split)
            if first != split:
                self.straddling.setdefault(group, {first}).add(split)

    def classes(self, target: Target) -> list[str]:
        """The declared classes, else the classes of the visible labels, sorted.

        Of sets they are those of the training records: the other classes of a set are worth
        keeping where one of them cannot be learned.
        """
        if target.classes is not None:
            return sorted(target.classes)
        of = ("train",) if target.cells == "set" else SPLITS
        return sorted({c for s, c in self.labelled if s in of})

    def in_split(self, split: str) -> int:
        """Number of records of a split with a visible label."""
        return self.labels[split]


def stops(
    tally: Tally, manifest: Manifest, quarantined: int, needed: Sequence[str] = NEEDED
) -> dict[str, str]:
    """Broken rules of the whole set that prevent any run.

    Args:
        tally: of the accepted records.
        manifest: meaning of the columns.
        quarantined: number of records that are not accepted.
        needed: splits without which there is no run.

    Returns:
        Name of each rule to a message: what is wrong, where, and the remedy.
    """
    accepted = tally.splits.total()
    if accepted == 0:
        return {
            "records left": f"none of the {quarantined} records is usable; see the reasons below"
        }
    found = {}
    if quarantined > MOST_QUARANTINED * (accepted + quarantined):
        found["records left"] = (
            f"{quarantined} of {accepted + quarantined} records are bad, more than half: "
            "correct them or the manifest"
        )
    if empty := [s for s in needed if not tally.splits[s]]:
        how = (
            f"column {manifest.split.column!r}"
            if manifest.split.column
            else "the hash of the group or id"
        )
        found["splits filled"] = (
            f"no record in split {', '.join(empty)} (by {how}); "
            f"wanted some in each of {', '.join(needed)}: "
            f"add records, or change `split` in the manifest{_few_groups(tally, manifest)}"
            f"{_chosen(empty)}"
        )
    if absent := [
        m for m in sorted(manifest.modalities) if not any(tally.present[s, m] for s in SPLITS)
    ]:
        found["modalities present"] = (
            f"no record has modality {', '.join(absent)}: "
            "check its column in the manifest, or leave the modality out of it"
        )
    elif untrained := [
        m
        for m in sorted(manifest.modalities)
        if tally.splits["train"] and not tally.present["train", m]
    ]:
        found["modalities present"] = (
            f"no training record has modality {', '.join(untrained)}: leave it out of the manifest"
        )
    if tally.straddling:
        some = ", ".join(
            f"{g!r} ({', '.join(sorted(s))})"
            for g, s in list(tally.straddling.items())[:_MOST_NAMED]
        )
        found["groups in one split"] = (
            f"{len(tally.straddling)} groups lie in several splits: {some}; "
            f"correct column {manifest.split.column!r}, "
            "or remove `split.column` from the manifest and the split is made by group"
        )
    return found | _label_stops(tally, manifest, needed)


def _chosen(splits: Sequence[str]) -> str:
    """A remark where validation records are missing: a run needs none unless it says so."""
    if "val" not in splits:
        return ""
    return "; by default, without `training.selection` and `gate.split`, a run needs none in val"


def _few_groups(tally: Tally, manifest: Manifest) -> str:
    """A remark where the hash cannot fill the splits: a group is never divided."""
    if manifest.split.column or manifest.group is None or len(tally.groups) > _FEW_GROUPS:
        return ""
    return (
        f"; column {manifest.group!r} makes {len(tally.groups)} groups, each of which stays in one "
        "split: wanted many more groups, or a manifest without `group`"
    )


def _measured(classes: Sequence[str]) -> str:
    """A remark where most classes are numbers with a fraction, or very many are whole numbers."""
    for form, least in ((_FRACTION, 0), (_WHOLE, _MANY_NUMBERS)):
        numbers = [c for c in classes if form.fullmatch(c)]
        if len(numbers) > max(least, len(classes) / 2):
            return (
                f"; {len(numbers)} of {len(classes)} classes are numbers such as {numbers[0]}: if "
                "they measure a quantity, divide it into ranges, since classes have no order"
            )
    return ""


_WITHOUT_LABELS = (
    "or learn without labels, for search alone, by `target: {kind: none}` in the manifest"
    "; a model that knows some classes learns others from a few examples"
    " (`concord classes add NAME --from DATA`)"
)


def _label_stops(tally: Tally, manifest: Manifest, needed: Sequence[str]) -> dict[str, str]:
    column = manifest.target.column
    if column is None:
        return {}
    if not tally.in_split("train"):
        why = (
            f"no training record has a visible label in column {column!r}: "
            "label some records of each class, or if the run's `data.labels.column` hides "
            f"their labels, choose another; {_WITHOUT_LABELS}"
        )
        return {"labels given": why}
    found = {}
    classes = tally.classes(manifest.target)
    if without := [c for c in classes if not tally.labelled["train", c]]:
        named = ", ".join(repr(c) for c in without[:_MOST_NAMED]) + (
            " ..." if len(without) > _MOST_NAMED else ""
        )
        found["classes labelled"] = (
            f"{len(without)} of {len(classes)} classes have no labelled training record that may "
            f"be seen: {named}; label at least one of each, or list only the others under "
            f"`target.classes` (records of the rest are quarantined){_measured(classes)}"
        )
    sets = manifest.target.cells == "set"
    if not classes and sets:
        found["two classes"] = (
            f"every visible training label in column {column!r} is an empty set; wanted some with "
            f"a class: label some; {_WITHOUT_LABELS}"
        )
    if len(classes) < 2 and not sets:
        found["two classes"] = (
            f"got the single class {classes[0]!r} in column {column!r}, wanted at least two: "
            f"label training records of another class; {_WITHOUT_LABELS}"
        )
    judging = [s for s in needed if s != "train"]
    if blind := [s for s in judging if tally.splits[s] and not tally.in_split(s)]:
        found["labels to measure by"] = (
            f"no record of split {', '.join(blind)} has a label in column {column!r}: "
            f"label some there{_chosen(blind)}"
        )
    return found


def oddities(noticed: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    """Warnings about values that can be used and are seldom meant so.

    >>> oddities({("speech", "silent"): ["r1", "r2"]})
    ['speech is silent in 2 records (r1, r2); leave them out where that is not meant']

    Args:
        noticed: modality and what is odd about it, to the ids of the records.
    """
    said = []
    for (modality, notice), ids in sorted(noticed.items()):
        some = ", ".join(ids[:_MOST_NAMED]) + (", …" if len(ids) > _MOST_NAMED else "")
        records = "1 record" if len(ids) == 1 else f"{len(ids):,} records"
        said.append(
            f"{modality} is {notice} in {records} ({some}); leave them out where that is not meant"
        )
    return said


def warnings(tally: Tally, manifest: Manifest, unknown_visible: int) -> list[str]:
    """Warnings about the whole set, which stop no run."""
    said = []
    said += _set_warnings(tally, manifest)
    for split in ("val", "test") if manifest.target.column is not None else ():
        if tally.splits[split] and (gap := tally.splits[split] - tally.in_split(split)):
            said.append(
                f"{gap} of {tally.splits[split]} records in split {split} have no label "
                "and are not measured"
            )
        missing = [c for c in tally.classes(manifest.target) if not tally.labelled[split, c]]
        if missing and tally.in_split(split):
            said.append(f"classes without a record in split {split}: {', '.join(missing)}")
    for modality in sorted(manifest.modalities):
        blind = [s for s in ("val", "test") if tally.splits[s] and not tally.present[s, modality]]
        if blind:
            said.append(f"no record of split {', '.join(blind)} has modality {modality}")
    if remark := _measured(tally.classes(manifest.target)):
        said.append(remark.removeprefix("; "))
    said += [
        f"column {column!r} has whole numbers beyond 2^53, which a number cannot tell apart; "
        "if they are codes, declare it a category"
        for column in sorted(tally.inexact)
    ]
    if unknown_visible:
        said.append(
            f"{unknown_visible} ids that the label file shows "
            "are not among the training records accepted here"
        )
    return said


def _set_warnings(tally: Tally, manifest: Manifest) -> list[str]:
    """Warnings about labels that are sets of classes."""
    if manifest.target.cells != "set":
        return []
    said = []
    classes = tally.classes(manifest.target)
    if unlearned := sorted({c for _, c in tally.labelled} - set(classes)):
        named = ", ".join(map(repr, unlearned[:_MOST_NAMED]))
        said.append(
            f"no training record that may be seen has {named}"
            f"{' ...' if len(unlearned) > _MOST_NAMED else ''}: the model does not know "
            f"{'it' if len(unlearned) == 1 else 'them'}; label some records with it"
        )
    if empty := tally.empty.total():
        said.append(
            f"{empty} of {tally.labels.total()} labels are empty sets: they say that none of the "
            "classes applies; null means that nobody has said"
        )
    if tally.repeated:
        said.append(f"{tally.repeated} records name a class twice; it counts once")
    return said
