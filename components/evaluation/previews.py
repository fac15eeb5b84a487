"""Small forms of records in the report, as markup: pictures, players, texts and fields."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from components.features.store import Features
from components.parts import loading as parts

NONE = "\u2013"
"""An en dash, where there is nothing to show."""
_WHOLE = 1e6
"""From here on a number is shown without decimals."""


@dataclass(kw_only=True)
class Previews:
    """Small forms of records, as markup.

    Attributes:
        features: the encoded data set.
        words: longest text shown.
    """

    features: Features
    words: int = 90
    _table: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._table = self.features.previews()

    def show(self, row: int, modality: str) -> Markup:
        """The medium, text or fields of a record; a dash where it has none."""
        value = self._table[modality][row].as_py()
        if value is None:
            return Markup('<span class="none">{}</span>').format(NONE)
        spec = self.features.specs[modality]
        if isinstance(value, bytes):
            kind = parts.load("kinds", spec.kind, spec.base)
            name = f"{modality} of record {self.features.ids[row]}"
            return medium(value, kind.preview_type(value), name)
        if spec.raw == "fields":
            return _fields(value, self.words)
        return Markup('<span class="words">{}</span>').format(cut(value, self.words))

    def first(self, row: int, order: Sequence[str], most: int) -> Markup:
        """The first modalities of ``order`` that the record has, at most so many."""
        has = [m for m in order if self.features.present[row, self.features.names.index(m)]]
        return Markup("").join(self.show(row, name) for name in has[:most] or order[:1])

    def values(self, rows: Sequence[int], modality: str) -> list[Any]:
        """What is kept of the values of some records, without those that have none."""
        found = (self._table[modality][row].as_py() for row in rows)
        return [value for value in found if value is not None]


def medium(data: bytes, media_type: str, name: str) -> Markup:
    """An inline picture, or a player of a sound; a word for what a browser shows as neither."""
    address = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    match media_type.partition("/")[0]:
        case "image":
            return Markup('<img alt="{}" src="{}">').format(name, address)
        case "audio":
            return Markup('<audio controls aria-label="{}" src="{}"></audio>').format(name, address)
    return Markup('<span class="none">medium</span>')


def _fields(value: str, most: int) -> Markup:
    try:
        found = json.loads(value)
    except ValueError:
        found = value
    if not isinstance(found, dict):
        return Markup('<span class="words">{}</span>').format(cut(str(found), most))
    filled = {k: _said(v) for k, v in found.items() if v not in (None, "", [])}
    lines = [
        Markup("<b>{}</b> {}").format(cut(str(k), 20), cut(v, 24))
        for k, v in list(filled.items())[:5]
    ]
    return Markup('<span class="words">{}</span>').format(
        Markup("<br>").join(lines) if lines else escape(NONE)
    )


def _said(value: Any) -> str:  # noqa: ANN401
    """A field's value; numbers with six digits at most, as far as they need them."""
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < _WHOLE else f"{value:.0f}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def told(label: str | list[str] | None) -> str:
    """A label for people: its class or classes; empty without one.

    >>> told(["love", "war"]), told([]), told(None)
    ('love, war', 'none of the classes', '')
    """
    if isinstance(label, list):
        return ", ".join(label) or "none of the classes"
    return label or ""


def cut(words: str, most: int) -> str:
    """Words of a largest length; an ellipsis stands for the rest."""
    return words if len(words) <= most else words[: most - 1] + "…"
