"""Pieces of inline SVG, as the charts of the report use them.

Colours come from the page's variables, so they follow light and dark. Names from the data are
escaped.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape


def drawing(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    """A picture of this size from its pieces; the title is read aloud."""
    return Markup(
        '<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{t}">'
        "{body}</svg>"
    ).format(w=round(width), h=round(height), t=title, body=Markup("").join(parts))


def rect(
    x: float, y: float, width: float, height: float, kind: str, tip: str, opacity: float = 1.0
) -> Markup:
    """A rectangle with a tooltip."""
    shade = Markup("") if opacity >= 1 else Markup(' fill-opacity="{}"').format(round(opacity, 3))
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"{}><title>{}</title></rect>'
    ).format(
        kind,
        round(x, 1),
        round(y, 1),
        round(max(width, 0), 1),
        round(max(height, 0), 1),
        shade,
        tip,
    )


def frame(x: float, y: float, width: float, height: float) -> Markup:
    """An outline."""
    return Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(
        x, y, width, height
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A line; the kind is a class of the style sheet."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        kind, round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1)
    )


def circle(x: float, y: float, kind: str, tip: str) -> Markup:
    """A dot with a tooltip."""
    return Markup('<circle class="{}" cx="{}" cy="{}" r="6"><title>{}</title></circle>').format(
        kind, round(x, 1), round(y, 1), tip
    )


def path(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """A line through points; a style may fill it."""
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(kind, steps)


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 12) -> Markup:
    """Words."""
    return Markup(
        '<text class="t" style="font-size:{}px" x="{}" y="{}" text-anchor="{}">{}</text>'
    ).format(size, round(x, 1), round(y, 1), anchor, escape(words))


def short(name: str, most: int) -> str:
    """A name cut to a length."""
    return name if len(name) <= most else name[: most - 1] + "…"
