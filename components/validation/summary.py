"""The validate step's summary of the whole set: counts, warnings and the label budget."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.files import write_json
from components.data.manifest import Manifest
from components.data.reader import Dataset
from components.data.splits import SPLITS
from components.validation.rules import Rule
from components.validation.tally import Tally
from components.validation.warnings import oddities, warnings


@dataclass(kw_only=True)
class Outcome:
    """Counts over the whole set."""

    tally: Tally = field(default_factory=Tally)
    quarantined: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    noticed: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """Modality and what is odd about it to the ids of accepted records."""
    seen: int = 0
    """Accepted training records that the label file shows."""


def write_summaries(
    out: Path, dataset: Dataset, rules: Sequence[Rule], outcome: Outcome, shown: int
) -> None:
    """Write ``dataset.json``, ``summary.json`` and ``quarantine/reasons.json``.

    Args:
        out: folder of the step.
        dataset: what was read.
        rules: for the records.
        outcome: counts over the whole set.
        shown: number of ids that the label file shows.
    """
    manifest, tally = dataset.manifest, outcome.tally
    failed = {name: outcome.failed[name] for name in sorted(outcome.failed)}
    write_json(
        out / "quarantine" / "reasons.json",
        {"counts": failed, "examples": dict(sorted(outcome.examples.items()))},
    )
    classes = tally.classes(manifest.target)
    write_json(
        out / "dataset.json", {"manifest": manifest.accepted().resolved(), "classes": classes}
    )
    write_json(
        out / "summary.json",
        {
            "records_in": dataset.rows,
            "accepted": tally.splits.total(),
            "quarantined": outcome.quarantined,
            "warnings": _warnings(outcome, manifest, shown),
            "label_budget": _label_budget(tally, manifest),
            "split": {s: tally.splits[s] for s in SPLITS},
            "rules": [
                {"name": r.name, "severity": r.severity, "failed": outcome.failed[r.name]}
                for r in rules
            ],
        },
    )


def _warnings(outcome: Outcome, manifest: Manifest, shown: int) -> list[str]:
    said = []
    if outcome.quarantined:
        records = (
            "1 record is" if outcome.quarantined == 1 else f"{outcome.quarantined} records are"
        )
        said.append(
            f"{records} in quarantine; quarantine/records.parquet gives the reason for each"
        )
    said += warnings(outcome.tally, manifest, shown - outcome.seen)
    return said + oddities(outcome.noticed)


def _label_budget(tally: Tally, manifest: Manifest) -> dict[str, Any]:
    """Labels that may be fitted or selected on; of sets also by class."""
    counts = {"train": tally.in_split("train"), "val": tally.in_split("val")}
    budget: dict[str, Any] = {**counts, "total": sum(counts.values())}
    if manifest.target.cells == "set":
        budget["by_class"] = {
            c: {s: tally.labelled[s, c] for s in ("train", "val")}
            for c in tally.classes(manifest.target)
        }
    return budget
