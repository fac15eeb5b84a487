"""Counts over all accepted records, which the rules of the whole set read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.data.labels import Label, each_class
from components.data.splits import SPLITS
from components.data.target import Target


@dataclass(kw_only=True)
class Tally:
    """Counts over all accepted records."""

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
    given: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Number of records with a value of a field by (split, modality, column)."""
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
