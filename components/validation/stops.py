"""Rules of the whole set: a broken one prevents any run, and its message gives the remedy."""

from collections.abc import Sequence

from components.data.manifest import Manifest
from components.data.splits import NEEDED, SPLITS
from components.data.target import Target
from components.validation.quantity import quantity
from components.validation.rules import MOST_NAMED
from components.validation.tally import Tally

MOST_QUARANTINED = 0.5
"""Largest share of bad records; beyond it the manifest is probably wrong, not the records."""
_FEW_GROUPS = 30
_WITHOUT_LABELS = (
    "or learn without labels, for search alone, by `target: {kind: none}` in the manifest"
    "; a model that knows some classes learns others from a few examples"
    " (`concord classes add NAME --from DATA`)"
)


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
    if tally.splits.total() == 0:
        return {
            "records left": f"none of the {quarantined} records is usable; see the reasons below"
        }
    found = {
        "records left": _records_left(tally, quarantined),
        "splits filled": _splits_filled(tally, manifest, needed),
        "modalities present": _modalities_present(tally, manifest),
        "groups in one split": _groups_in_one_split(tally, manifest),
    }
    if manifest.target.column is not None:
        found |= _labels(tally, manifest.target, manifest.target.column, needed)
    return {rule: message for rule, message in found.items() if message is not None}


def _records_left(tally: Tally, quarantined: int) -> str | None:
    records = tally.splits.total() + quarantined
    if quarantined <= MOST_QUARANTINED * records:
        return None
    return (
        f"{quarantined} of {records} records are bad, more than half: correct them or the manifest"
    )


def _splits_filled(tally: Tally, manifest: Manifest, needed: Sequence[str]) -> str | None:
    empty = [split for split in needed if not tally.splits[split]]
    if not empty:
        return None
    column = manifest.split.column
    how = f"column {column!r}" if column else "the hash of the group or id"
    return (
        f"no record in split {', '.join(empty)} (by {how}); "
        f"wanted some in each of {', '.join(needed)}: "
        f"add records, or change `split` in the manifest{_few_groups(tally, manifest)}"
        f"{_chosen(empty)}"
    )


def _modalities_present(tally: Tally, manifest: Manifest) -> str | None:
    names = sorted(manifest.modalities)
    if absent := [m for m in names if not any(tally.present[s, m] for s in SPLITS)]:
        return (
            f"no record has modality {', '.join(absent)}: "
            "check its column in the manifest, or leave the modality out of it"
        )
    untrained = [m for m in names if tally.splits["train"] and not tally.present["train", m]]
    if untrained:
        return (
            f"no training record has modality {', '.join(untrained)}: leave it out of the manifest"
        )
    return None


def _groups_in_one_split(tally: Tally, manifest: Manifest) -> str | None:
    if not tally.straddling:
        return None
    some = ", ".join(
        f"{g!r} ({', '.join(sorted(s))})" for g, s in list(tally.straddling.items())[:MOST_NAMED]
    )
    return (
        f"{len(tally.straddling)} groups lie in several splits: {some}; "
        f"correct column {manifest.split.column!r}, "
        "or remove `split.column` from the manifest and the split is made by group"
    )


def _few_groups(tally: Tally, manifest: Manifest) -> str:
    """A remark where the hash cannot fill the splits: a group is never divided."""
    if manifest.split.column or manifest.group is None or len(tally.groups) > _FEW_GROUPS:
        return ""
    return (
        f"; column {manifest.group!r} makes {len(tally.groups)} groups, each of which stays in one "
        "split: wanted many more groups, or a manifest without `group`"
    )


def _chosen(splits: Sequence[str]) -> str:
    """A remark where validation records are missing: a run needs none unless it says so."""
    if "val" not in splits:
        return ""
    return "; by default, without `training.selection` and `gate.split`, a run needs none in val"


def _labels(
    tally: Tally, target: Target, column: str, needed: Sequence[str]
) -> dict[str, str | None]:
    """The rules about labels, which have a column."""
    if not tally.in_split("train"):
        why = (
            f"no training record has a visible label in column {column!r}: "
            "label some records of each class, or if the run's `data.labels.column` hides "
            f"their labels, choose another; {_WITHOUT_LABELS}"
        )
        return {"labels given": why}
    classes = tally.classes(target)
    return {
        "classes labelled": _classes_labelled(tally, classes),
        "two classes": _two_classes(classes, column, sets=target.cells == "set"),
        "labels to measure by": _labels_to_measure_by(tally, column, needed),
    }


def _classes_labelled(tally: Tally, classes: Sequence[str]) -> str | None:
    without = [c for c in classes if not tally.labelled["train", c]]
    if not without:
        return None
    named = ", ".join(repr(c) for c in without[:MOST_NAMED]) + (
        " ..." if len(without) > MOST_NAMED else ""
    )
    return (
        f"{len(without)} of {len(classes)} classes have no training record with a visible "
        f"label: {named}; label at least one of each, or list only the others under "
        f"`target.classes` (records of the rest are quarantined){quantity(classes)}"
    )


def _two_classes(classes: Sequence[str], column: str, *, sets: bool) -> str | None:
    if sets and not classes:
        return (
            f"every visible training label in column {column!r} is an empty set; wanted some with "
            f"a class: label some; {_WITHOUT_LABELS}"
        )
    if not sets and len(classes) < 2:
        return (
            f"got the single class {classes[0]!r} in column {column!r}, wanted at least two: "
            f"label training records of another class; {_WITHOUT_LABELS}"
        )
    return None


def _labels_to_measure_by(tally: Tally, column: str, needed: Sequence[str]) -> str | None:
    judging = [s for s in needed if s != "train"]
    blind = [s for s in judging if tally.splits[s] and not tally.in_split(s)]
    if not blind:
        return None
    return (
        f"no record of split {', '.join(blind)} has a label in column {column!r}: "
        f"label some there{_chosen(blind)}"
    )
