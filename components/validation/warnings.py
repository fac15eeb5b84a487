"""Warnings about the whole set: what can be used, and is seldom meant so."""

from collections.abc import Mapping, Sequence

from components.data.manifest import Manifest
from components.validation.fields import one_sided
from components.validation.quantity import quantity
from components.validation.rules import MOST_NAMED
from components.validation.tally import Tally


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
            said.append(f"no record of split {' or '.join(blind)} has modality {modality}")
    said += one_sided(tally.given, tally.present)
    if remark := quantity(tally.classes(manifest.target)):
        said.append(remark.removeprefix("; "))
    said += [
        f"column {column!r} has whole numbers beyond 2^53, which floating-point numbers cannot "
        "tell apart; if they are codes, declare it a category"
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
        named = ", ".join(map(repr, unlearned[:MOST_NAMED]))
        them = "it" if len(unlearned) == 1 else "them"
        said.append(
            f"no visible training label has {named}"
            f"{' ...' if len(unlearned) > MOST_NAMED else ''}: the model does not know "
            f"{them}; label some records with {them}"
        )
    if empty := tally.empty.total():
        said.append(
            f"{empty} of {tally.labels.total()} labels are empty sets: they say that none of the "
            "classes applies; null means that the label is unknown"
        )
    if tally.repeated:
        who = "1 record names" if tally.repeated == 1 else f"{tally.repeated} records name"
        said.append(f"{who} a class twice; it counts once")
    return said


def oddities(noticed: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    """Warnings about values that can be used and are seldom intended.

    >>> oddities({("speech", "silent"): ["r1", "r2"]})
    ['speech is silent in 2 records (r1, r2); leave them out if that is not intended']

    Args:
        noticed: modality and what is odd about it, to the ids of the records.
    """
    said = []
    for (modality, notice), ids in sorted(noticed.items()):
        some = ", ".join(ids[:MOST_NAMED]) + (", …" if len(ids) > MOST_NAMED else "")
        records = "1 record" if len(ids) == 1 else f"{len(ids):,} records"
        said.append(
            f"{modality} is {notice} in {records} ({some}); leave them out if that is not intended"
        )
    return said
