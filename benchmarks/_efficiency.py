"""The results of ``benchmarks.label_efficiency``: means over draws, targets, table and plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROWS = {
    "concord": "Concord",
    "committee": "committee, labels alone",
    "rounds": "committee after rounds",
    "student": "student",
    "labels alone": "student, labels alone",
    "single": "best single modality",
}
OVER_THE_BAR = {"4": 0.03, "25": 0.01}
"""What is wanted over the best row by hand on average over the sets, by labels per class."""
MOST_BELOW = 0.005
"""What no set may be below it."""
WANTED = {
    ("fashion-products", "4"): 0.58,
    ("fashion-products", "25"): 0.80,
    ("fashion-products", "all"): 0.87,
    ("av-digits", "4"): 0.955,
    ("av-digits", "25"): 0.99,
}
"""Least figures, by set and labels per class."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """One set and one number of labels, over its draws.

    Attributes:
        name: the set.
        labels: for each class, or ``all``.
        draws: how many there are.
        figures: row to its mean; a row that some draw lacks is left out.
        hand: the best row by hand, by its mean, with that mean.
        over_single: mean upper limit of the interval of the gain over the best single modality.
    """

    name: str
    labels: str
    draws: int
    figures: Mapping[str, float]
    hand: tuple[str, float] | None
    over_single: float | None

    @property
    def margin(self) -> float | None:
        """Concord minus the best row by hand."""
        return None if self.hand is None else self.figures["concord"] - self.hand[1]


def means(lines: Sequence[Mapping[str, Any]]) -> list[Mean]:
    """One for each set and number of labels, in their order in the results, fewest labels first."""
    keys = [(line["set"], line["draw"].split("_")[0]) for line in lines]
    found = []
    for name, labels in sorted(dict.fromkeys(keys), key=lambda key: (key[0], _order(key[1]))):
        own = [line for line, key in zip(lines, keys, strict=True) if key == (name, labels)]
        hand = _over([line["bar"] for line in own])
        best = max(hand, key=lambda row: hand[row], default=None)
        limits = [line["over single"]["high"] for line in own if line["over single"]]
        one = Mean(
            name=name,
            labels=labels,
            draws=len(own),
            figures=_over([line["figures"] for line in own]),
            hand=None if best is None else (best, hand[best]),
            over_single=float(np.mean(limits)) if limits else None,
        )
        found.append(one)
    return found


def _over(figures: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Mean of each row that all have."""
    found = {}
    for row in figures[0]:
        values = [one.get(row) for one in figures]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            found[row] = float(np.mean(known))
    return found


def _order(labels: str) -> float:
    return float("inf") if labels == "all" else float(labels)


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """The means in Markdown with what is wanted of each, then what is wanted on average."""
    rows = means(lines)
    heads = ["set", "labels per class", "draws", "best row by hand", *ROWS.values(), "over hand"]
    text = [_line([*heads, "wanted"]), "|---" * (len(heads) + 1) + "|"]
    for row in rows:
        hand = "-" if row.hand is None else f"{row.hand[1]:.3f} ({row.hand[0]})"
        own = [_figure(row.figures.get(key)) for key in ROWS]
        over = "-" if row.margin is None else f"{row.margin:+.3f}"
        cells = [row.name, row.labels, str(row.draws), hand, *own, over]
        text.append(_line([*cells, "; ".join(_wanted(row)) or "-"]))
    text.append("")
    for labels, least in OVER_THE_BAR.items():
        margins = [r.margin for r in rows if r.labels == labels and r.margin is not None]
        if margins:
            mean = float(np.mean(margins))
            text.append(
                f"At {labels} labels per class Concord is {mean:+.3f} over the best row by hand on "
                f"average over {len(margins)} sets; wanted {least:+.2f}: {_met(mean >= least)}."
            )
    return "\n".join(text)


def _wanted(row: Mean) -> list[str]:
    """What is wanted of a row, and whether it is so."""
    found = []
    least = WANTED.get((row.name, row.labels))
    if least is not None:
        found.append(f"{least:.3f}: {_met(row.figures['concord'] >= least)}")
    if row.margin is not None:
        found.append(f"hand - {MOST_BELOW}: {_met(row.margin >= -MOST_BELOW)}")
    if row.over_single is not None:
        found.append(f"single, within noise: {_met(row.over_single >= 0)}")
    return found


def _met(yes: bool) -> str:
    return "met" if yes else "**missed**"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def plot(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw one panel for each set: figures by labels per class."""
    from matplotlib.figure import Figure

    rows = means(lines)
    names = list(dict.fromkeys(row.name for row in rows))
    columns = min(3, len(names))
    height = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 3.2 * height), layout="constrained")
    panels = figure.subplots(height, columns, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        own = [row for row in rows if row.name == name]
        at = range(len(own))
        hand = [np.nan if row.hand is None else row.hand[1] for row in own]
        panel.plot(at, hand, "k--", label="best row by hand")
        for key, label in ROWS.items():
            values = [row.figures.get(key, np.nan) for row in own]
            panel.plot(at, values, marker="o", linewidth=2 if key == "concord" else 1, label=label)
        panel.set_xticks(at, [row.labels for row in own])
        panel.set_title(name)
        panel.set_xlabel("labels per class")
        panel.grid(alpha=0.3)
    for panel in panels[len(names) :]:
        panel.axis("off")
    if names:
        panels[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
