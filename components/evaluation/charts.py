"""The charts of the report, as inline SVG.

Every function returns markup in which names from the data are escaped.
"""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluation import svg
from components.evaluation.classification import wilson
from components.evaluation.coverage import Coverage
from components.evaluation.metrics import CoverageFigures, IntervalFigures
from components.model.calibration import Reliability

_FEW, _POINTS = 20, 200
"""Answers that an accuracy is drawn of at least, and points of a curve at most."""
MOST_CLASSES = 100
"""More classes than this are no longer readable in one picture; the rest are added up."""


def reliability_diagram(found: Reliability, ece: float | None) -> Markup:
    """Accuracy against confidence by bin, with the number of records in each bin below."""
    left, top, side, strip = 44, 12, 280, 56
    low = top + side
    parts = [svg.frame(left, top, side, side)]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(svg.text(left - 8, low - tick * side + 4, f"{tick:g}", anchor="end"))
        parts.append(svg.text(left + tick * side, low + strip + 34, f"{tick:g}", anchor="middle"))
        parts.append(svg.line(left, low - tick * side, left + side, low - tick * side, "grid"))
    most = max(1, int(found.counts.max()))
    for start, end, count, accuracy, confidence in zip(
        found.edges[:-1],
        found.edges[1:],
        found.counts,
        found.accuracy,
        found.confidence,
        strict=True,
    ):
        if not count:
            continue
        x, width = left + start * side + 1, (end - start) * side - 2
        tip = f"confidence {confidence:.3f}, accuracy {accuracy:.3f}, {count} records"
        parts.append(svg.rect(x, low - accuracy * side, width, accuracy * side, "bar", tip))
        # The hatched gap between confidence and accuracy: the model is too sure or not sure enough.
        high, bottom = max(accuracy, confidence), min(accuracy, confidence)
        parts.append(svg.rect(x, low - high * side, width, (high - bottom) * side, "gap", tip))
        height = strip * count / most
        parts.append(svg.rect(x, low + 16 + strip - height, width, height, "count", tip))
    parts.append(svg.line(left, low, left + side, top, "ideal"))
    parts.append(
        svg.text(
            left + side / 2,
            low + strip + 52,
            "confidence (bars below: records in each bin)",
            anchor="middle",
        )
    )
    parts.append(
        Markup(
            '<text class="t" transform="translate(12 {}) rotate(-90)" text-anchor="middle">'
            "accuracy</text>"
        ).format(top + side / 2)
    )
    said = "unknown" if ece is None else f"{ece:.3f}"
    return svg.drawing(
        left + side + 16,
        low + strip + 60,
        f"Reliability diagram; expected calibration error {said}",
        parts,
    )


def coverage_curve(found: Coverage, marked: CoverageFigures) -> Markup:
    """Accuracy against the share of records that are answered, the surest first.

    A band shows the 95% interval; the calibrated threshold is a point. The first few answers are
    too few to draw.
    """
    left, top, width, height = 52, 14, 420, 280
    drawn = _spread(np.flatnonzero(found.answered >= min(_FEW, found.answered[-1])))
    bands = [wilson(int(found.right[i]), int(found.answered[i])) for i in drawn]
    least = min(b for b, _ in bands)
    step = 0.1 if least >= 0.5 else 0.2
    low = np.floor(least / step + 1e-9) * step

    def at(share: float, accuracy: float) -> tuple[float, float]:
        return left + share * width, top + (1 - accuracy) / (1 - low) * height

    shares = [float(found.share[i]) for i in drawn]
    curve = [at(share, float(found.accuracy[i])) for share, i in zip(shares, drawn, strict=True)]
    floor, roof = (
        [at(s, band[side]) for s, band in zip(shares, bands, strict=True)] for side in (0, 1)
    )
    parts = [svg.frame(left, top, width, height)]
    for tick in np.arange(1, low - step / 2, -step):
        y = at(0, float(tick))[1]
        parts.append(svg.line(left, y, left + width, y, "grid"))
        parts.append(svg.text(left - 8, y + 4, f"{tick:.0%}", anchor="end"))
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + share * width
        parts.append(svg.text(x, top + height + 18, f"{share:.0%}", anchor="middle"))
    parts += [svg.path([*floor, *roof[::-1]], "band"), svg.path(curve, "curve")]
    if marked.accuracy_answered is not None:
        x, y = at(marked.answered, marked.accuracy_answered)
        parts.append(svg.line(x, y, x, top + height, "ideal"))
        parts.append(svg.circle(x, y, "mark", _said(marked)))
    words = "share of records answered, most confident first"
    parts.append(svg.text(left + width / 2, top + height + 38, words, anchor="middle"))
    title = "Accuracy by share of answered records"
    return svg.drawing(left + width + 24, top + height + 48, title, parts)


def _said(marked: CoverageFigures) -> str:
    return (
        f"confidence of at least {marked.threshold:.3f}: {marked.answered:.1%} answered, "
        f"{marked.accuracy_answered or 0:.1%} of them right"
    )


def _spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most so many of the rows as a picture shows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(_POINTS, len(rows))).astype(np.int64)]


def confusion_heat_map(counts: NDArray[np.int64], classes: Sequence[str]) -> Markup:
    """Share of each true class (row) that got each answer (column), from ``counts (k, k)``.

    Only filled cells are drawn.
    """
    n = len(classes)
    cell = 30 if n <= 12 else 20 if n <= 24 else 14 if n <= 50 else 10
    font = 12 if cell >= 20 else 10 if cell >= 14 else 8
    longest = min(24, max((len(c) for c in classes), default=1))
    margin = int(longest * font * 0.58) + 14
    parts = [svg.frame(margin, margin, n * cell, n * cell)]
    totals = np.maximum(counts.sum(axis=1), 1)
    for i, name in enumerate(classes):
        at = margin + (i + 0.5) * cell + font * 0.35
        parts.append(svg.text(margin - 5, at, svg.short(name, 24), anchor="end", size=font))
        parts.append(
            Markup(
                '<text class="t" style="font-size:{}px"'
                ' transform="translate({} {}) rotate(-60)">{}</text>'
            ).format(font, round(at, 1), margin - 5, svg.short(name, 24))
        )
        if n > 12 and i % 5 == 0:
            parts.append(
                svg.line(margin, margin + i * cell, margin + n * cell, margin + i * cell, "grid")
            )
            parts.append(
                svg.line(margin + i * cell, margin, margin + i * cell, margin + n * cell, "grid")
            )
    for row, column in np.argwhere(counts > 0):
        count, share = int(counts[row, column]), counts[row, column] / totals[row]
        tip = (
            f"{classes[row]} answered as {classes[column]}: {count} of {totals[row]} ({share:.0%})"
        )
        kind = "right" if row == column else "wrong"
        x, y = margin + column * cell, margin + row * cell
        parts.append(
            svg.rect(
                x + 0.5, y + 0.5, cell - 1, cell - 1, kind, tip, opacity=0.12 + 0.88 * float(share)
            )
        )
        if cell >= 30:
            ink = "t on" if share > 0.55 else "t"
            parts.append(
                Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                    ink, x + cell / 2, y + cell / 2 + 4, count
                )
            )
    side = margin + n * cell + 14
    return svg.drawing(
        side + int(longest * font * 0.3),
        side,
        f"Confusion matrix of {n} classes: rows are true, columns are answers",
        parts,
    )


def interval_plot(rows: Sequence[tuple[str, IntervalFigures]]) -> Markup:
    """Differences in points of accuracy with their intervals, around zero."""
    values = [v * 100 for _, i in rows for v in (i.low, i.high, i.difference) if v is not None]
    low, high = min([-1.0, *values]), max([1.0, *values])
    pad = (high - low) * 0.08
    low, high = low - pad, high + pad
    left, width, step = 230, 380, 44

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * width

    bottom = step * len(rows) + 6
    parts = [
        svg.line(x(0), 0, x(0), bottom, "zero"),
        svg.text(x(0), bottom + 16, "0", anchor="middle"),
    ]
    for i, (name, found) in enumerate(rows):
        y = step * i + step / 2
        parts.append(svg.text(left - 14, y + 4, name, anchor="end", size=13))
        if found.low is None or found.high is None or found.difference is None:
            continue
        a, b, d = found.low * 100, found.high * 100, found.difference * 100
        kind = "gain" if a > 0 else "loss" if b < 0 else "even"
        parts.append(svg.line(x(a), y, x(b), y, kind))
        tip = f"{name}: {d:+.1f} points, 95% interval {a:+.1f} to {b:+.1f}"
        parts.append(svg.circle(x(d), y, kind, tip))
        parts.append(svg.text(left + width + 14, y + 4, f"{d:+.1f}  [{a:+.1f}, {b:+.1f}]", size=13))
    return svg.drawing(
        left + width + 170,
        bottom + 24,
        "Differences of accuracy in points, with 95% paired bootstrap intervals",
        parts,
    )


def largest_classes(
    counts: NDArray[np.int64], classes: Sequence[str], most: int = MOST_CLASSES
) -> tuple[NDArray[np.int64], list[str]]:
    """Keep the ``most - 1`` largest classes of ``counts (k, k)``; merge the others."""
    if len(classes) <= most:
        return counts, list(classes)
    kept = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[: most - 1])
    place = np.full(len(classes), most - 1)
    place[kept] = np.arange(most - 1)
    merged = np.zeros((most, most), dtype=np.int64)
    np.add.at(merged, (place[:, None], place[None, :]), counts)
    return merged, [*(classes[i] for i in kept), f"{len(classes) - most + 1} others"]
