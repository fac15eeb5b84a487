"""What ``concord evaluate`` looked at beside the figures, for people."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from flows.commands.answer import table


def looked(figures: Mapping[str, Any]) -> Iterator[str]:
    """Lines of each look that was asked for."""
    if "leaks" in figures:
        yield from _leaks(figures["leaks"])
    if "reliance" in figures:
        yield from _reliance(figures["reliance"])
    if "stress" in figures:
        yield from _stress(figures["stress"])


def _leaks(found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    if not found["pairs"]:
        yield "leaks: no record has a copy in another split"
        return
    rows = [[p["split"], p["other"], f"{p['pairs']:,}"] for p in found["pairs"]]
    yield table(rows, ["split", "split", "pairs"])
    alone = found["leaked"] == found["records"]
    without = "no record is left" if alone else f"{found['without_leaks']:.4f}"
    yield (
        f"{found['leaked']:,} of {found['records']:,} test records have a copy in train or val: "
        f"{found['figure']} {found['all']:.4f} with them, {without} without; "
        "`concord data check DIR` shows how to hold copies in one split"
    )


def _reliance(found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    header = ["modality", "importance", "alone", "answers follow it", "the rest", ""]
    rows = [
        [
            name,
            f"{one['importance']:+.3f}",
            *(_known(one[figure]) for figure in ("alone", "follows", "resists")),
            "a shortcut" if one["shortcut"] else "",
        ]
        for name, one in found["modalities"].items()
    ]
    yield table(rows, header)
    yield (
        f"importance: loss of {found['figure']} ({found['whole']:.3f}) when the modality is "
        "shuffled; answers follow it, or the rest: shares of answers when it is replaced by that "
        "of a record of another class; one modality alone answers "
        f"{found['solvable_by_one']:.1%} of {found['n']:,} records right"
    )


def _known(figure: float) -> str:
    """A figure, or a dash where no record could give it."""
    return "\u2013" if math.isnan(figure) else f"{figure:.3f}"


def _stress(found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    rows = [
        [
            row["modality"],
            row["perturbation"],
            str(row["severity"]),
            f"{row['value']:.3f}",
            f"{row['fall']:.1%}",
            f"[{row['low']:.1%}, {row['high']:.1%}]",
        ]
        for row in found["rows"]
    ]
    header = ["modality", "made worse by", "severity", str(found["figure"]), "fall", "95%"]
    yield table(rows, header)
    yield (
        f"fall: share of {found['figure']} on the clean records that is lost, {found['n']:,} "
        "records; `neutral` makes a text as long as `dilution` does, by its own words"
    )
