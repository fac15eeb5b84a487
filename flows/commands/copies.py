"""The output of ``concord data check`` on copies of records within and across splits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.progress import Progress
from flows.commands.answer import table

if TYPE_CHECKING:
    from components.evaluation.leaks.search import Found

COPIES = "copies.parquet"
_EXAMPLES = 3


def search_in(place: Path, uri: str, base: Path, progress: Progress) -> "Found":
    """Find the copies among the accepted records; writes ``copies.parquet`` beside them."""
    from components.evaluation.leaks.search import search

    found = search(place, uri, base=base, progress=progress)
    found.write(place / COPIES)
    return found


def copies_value(found: "Found") -> dict[str, Any]:
    """Counts for ``--json``."""
    leaks = found.leaks
    return {
        "pairs": len(leaks.links),
        "between_splits": [
            {"split": a, "other": b, "pairs": n} for (a, b), n in leaks.pairs.items()
        ],
        "by_modality": leaks.by_modality,
        "leaked_records": int(leaks.leaked.sum()),
        "straddling_groups": leaks.straddling,
    }


def copies_text(found: "Found", file: Path) -> list[str]:
    """Leaks for people: how many, for example which, and how to hold copies in one split."""
    leaks = found.leaks
    if not leaks.links:
        return ["copies: none between records of different groups"]
    within = sum(n for (a, b), n in leaks.pairs.items() if a == b)
    across = len(leaks.links) - within
    pairs = "1 pair" if within == 1 else f"{within:,} pairs"
    lines = [f"copies: {pairs} of records within a split, {across:,} across splits"]
    if not leaks.straddling:
        return lines
    rows = [[a, b, f"{n:,}"] for (a, b), n in leaks.pairs.items() if a != b]
    lines += ["", table(rows, ["split", "split", "pairs"]), ""]
    shared = ", ".join(f"{name} {n:,}" for name, n in leaks.by_modality.items())
    lines += [f"what leaks: {shared}"]
    between = [k for k in leaks.links if found.splits[k.a] != found.splits[k.b]]
    between.sort(key=lambda link: -link.alike)
    lines += [
        f"  for example {found.ids[k.a]!r} ({found.splits[k.a]}) and {found.ids[k.b]!r} "
        f"({found.splits[k.b]}): {k.modality}, {k.alike:.0%} alike"
        for k in between[:_EXAMPLES]
    ]
    count = int(leaks.leaked.sum())
    of = "of val and test"
    leaking = f"1 record {of} has" if count == 1 else f"{count:,} records {of} have"
    lines += [
        f"{leaking} a copy in an earlier split, so scores may be too good.",
        f"To hold copies in one split, copy the column `group` of {file} into the records, write "
        "`group: group` in the manifest, and remove `split.column` if it is there: the split is "
        "then made by group. `concord evaluate CONFIG --leaks` measures without these copies.",
    ]
    return lines
