"""Rules for single records and for the whole data set, as pure functions over batches.

Severities: ``stop`` (the set cannot be used), ``quarantine`` (the record is left out and the run
continues), ``warn``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from components.data.manifest import Manifest
from components.data.splits import SPLITS, assign

Severity = Literal["stop", "quarantine", "warn"]

OCCURRENCE = "concord:occurrence"
"""Frame column: 1-based occurrence number of the record's id in the whole set."""
PRESENT = "concord:present"
"""Frame column: how many modalities the record has."""
_MOST_NAMED = 5
"""Number of examples in a message."""
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
    if manifest.target.classes is not None:
        says = f"one of the {len(manifest.target.classes)} classes that the manifest lists"
        quarantine("label known", manifest.target.column, "in", says, manifest.target.classes)
    for name in sorted(manifest.modalities):
        quarantine(
            f"{name} readable",
            readable(name),
            "readable",
            "a value that decodes and keeps the limits",
        )
    quarantine("some modality", PRESENT, "some", "at least one modality in each record")
    return rules


def schema_problems(schema: pa.Schema, manifest: Manifest) -> list[str]:
    """One message for each column whose stored type contradicts the manifest."""
    problems = []

    def demand(column: str, allowed: bool, wanted: str) -> None:
        if not allowed:
            problems.append(
                f"column {column!r}: got type {schema.field(column).type}, wanted {wanted}"
            )

    def text(column: str) -> bool:
        return _is_text(schema.field(column).type)

    def whole(column: str) -> bool:
        kind = schema.field(column).type
        return text(column) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)

    for column in filter(None, (manifest.id, manifest.group, manifest.target.column)):
        demand(column, whole(column), "text or whole numbers")
    if manifest.split.column is not None:
        demand(manifest.split.column, text(manifest.split.column), f"text: {', '.join(SPLITS)}")
    for modality in manifest.modalities.values():
        if modality.raw == "bytes":
            column = str(modality.column)
            demand(
                column,
                text(column) or _is_bytes(schema.field(column).type),
                "paths (text) or bytes",
            )
        elif modality.raw == "text":
            demand(str(modality.column), text(str(modality.column)), "text")
        for column, spec in (modality.columns or {}).items():
            kind = schema.field(column).type
            numeric = (
                pa.types.is_null(kind)
                or pa.types.is_integer(kind)
                or pa.types.is_floating(kind)
                or pa.types.is_decimal(kind)
            )
            if spec.type == "number":
                demand(
                    column,
                    numeric or pa.types.is_boolean(kind),
                    "numbers; convert it, or declare it a category",
                )
            elif spec.type == "category":
                demand(column, whole(column), "text, whole numbers or true/false")
            else:
                listed = (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(
                    kind.value_type
                )
                demand(column, text(column) or listed, "text with a separator, or a list of texts")
    return problems


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def texts(values: Iterable[object]) -> list[str | None]:
    """Cells of an id, group, split or label column as text, unchanged; blank is None."""
    return [said if v is not None and (said := str(v)).strip() else None for v in values]


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


def visible_labels(
    labels: Sequence[str | None],
    splits: Sequence[str | None],
    ids: Sequence[str | None],
    seen: frozenset[str] | None,
) -> list[str | None]:
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
    present: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of records that have the modality by (split, modality)."""
    groups: dict[str, str] = field(default_factory=dict)
    """Group to the split in which it was first seen."""
    straddling: dict[str, set[str]] = field(default_factory=dict)

    def add(
        self,
        groups: Sequence[str],
        splits: Sequence[str],
        labels: Sequence[str | None],
        present: Mapping[str, Sequence[bool]],
    ) -> None:
        """Count the groups, splits, visible labels and modalities of accepted records."""
        self.splits.update(splits)
        self.labelled.update((s, c) for s, c in zip(splits, labels, strict=True) if c is not None)
        for modality, has in present.items():
            self.present.update((s, modality) for s, h in zip(splits, has, strict=True) if h)
        for group, split in zip(groups, splits, strict=True):
            first = self.groups.setdefault(group, split)
            if first != split:
                self.straddling.setdefault(group, {first}).add(split)

    def classes(self, declared: Sequence[str] | None) -> list[str]:
        """The declared classes, else the classes of the visible labels, sorted."""
        return sorted(declared if declared is not None else {c for _, c in self.labelled})

    def in_split(self, split: str) -> int:
        """Number of records of a split with a visible label."""
        return sum(n for (s, _), n in self.labelled.items() if s == split)


def stops(tally: Tally, manifest: Manifest, quarantined: int) -> dict[str, str]:
    """Broken rules of the whole set that prevent any run.

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
    if empty := [s for s in SPLITS if not tally.splits[s]]:
        how = (
            f"column {manifest.split.column!r}"
            if manifest.split.column
            else "the hash of the group or id"
        )
        found["splits filled"] = (
            f"no record in split {', '.join(empty)} (by {how}); "
            f"wanted some in each of {', '.join(SPLITS)}: "
            "add records, or change `split` in the manifest"
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
    return found | _label_stops(tally, manifest)


def _label_stops(tally: Tally, manifest: Manifest) -> dict[str, str]:
    column = manifest.target.column
    if not tally.in_split("train"):
        why = (
            f"no training record has a visible label in column {column!r}: "
            "label some records of each class, or choose another `data.labels.column`"
        )
        return {"labels given": why}
    found = {}
    classes = tally.classes(manifest.target.classes)
    if without := [c for c in classes if not tally.labelled["train", c]]:
        named = ", ".join(repr(c) for c in without[:_MOST_NAMED]) + (
            " ..." if len(without) > _MOST_NAMED else ""
        )
        found["classes labelled"] = (
            f"{len(without)} of {len(classes)} classes have no labelled training record that may "
            f"be seen: {named}; label at least one of each, or list only the others under "
            "`target.classes` (records of the rest are quarantined)"
        )
    if len(classes) < 2:
        found["two classes"] = (
            f"got the single class {classes[0]!r} in column {column!r}, wanted at least two"
        )
    if blind := [s for s in ("val", "test") if tally.splits[s] and not tally.in_split(s)]:
        found["labels to measure by"] = (
            f"no record of split {', '.join(blind)} has a label in column {column!r}: "
            "label some there"
        )
    return found


def warnings(tally: Tally, manifest: Manifest, unknown_visible: int) -> list[str]:
    """Warnings about the whole set, which stop no run."""
    said = []
    for split in ("val", "test"):
        if tally.splits[split] and (gap := tally.splits[split] - tally.in_split(split)):
            said.append(
                f"{gap} of {tally.splits[split]} records in split {split} have no label "
                "and are not measured"
            )
        missing = [
            c for c in tally.classes(manifest.target.classes) if not tally.labelled[split, c]
        ]
        if missing and tally.in_split(split):
            said.append(f"classes without a record in split {split}: {', '.join(missing)}")
    for modality in sorted(manifest.modalities):
        blind = [s for s in ("val", "test") if tally.splits[s] and not tally.present[s, modality]]
        if blind:
            said.append(f"no record of split {', '.join(blind)} has modality {modality}")
    if unknown_visible:
        said.append(
            f"{unknown_visible} ids that the label file shows "
            "are not among the training records accepted here"
        )
    return said
