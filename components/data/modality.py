"""One modality of a manifest: its kind and its column, or its columns with their types."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from components.core.errors import unknown_name
from components.core.strict import Mistakes, Strict
from components.core.values import is_empty
from components.parts import loading as parts
from components.parts.contracts import RawType
from components.parts.own import is_own
from components.parts.reading import LARGEST, Reading

_DEFAULTS = {
    "number": "a finite number",
    "category": "text or a number",
    "set": "text, or a list of texts or numbers",
}
"""What the default of a column may be, by the column's type."""


def _null(value: object) -> object:
    """Accept ``missing`` or ``{default: value}`` as the meaning of an empty cell."""
    if value == "missing" or (isinstance(value, dict) and list(value) == ["default"]):
        return value
    raise ValueError(
        f"got {value!r}, wanted `missing` or `{{default: VALUE}}`: what an empty cell means"
    )


def _is_default(kind: str, value: object) -> bool:
    """Whether a value may be the default of a column of this type."""
    if kind == "number":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= LARGEST  # type: ignore[arg-type]
    if kind == "set" and isinstance(value, list):
        return all(isinstance(member, str | int | float) for member in value)
    blank = kind == "category" and is_empty(value)
    return isinstance(value, str | int | float) and not blank


class Column(Strict):
    """One column of a tabular modality."""

    type: Literal["number", "category", "set"]
    unit: str | None = None
    """Unit of a number, for reports."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Separates the members of a set stored as text; a set stored as a list needs none."""
    null: Annotated[Any, PlainValidator(_null)] = "missing"
    """What an empty cell means: ``missing``, or ``{default: value}``."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> "Column":
        found = [
            (key, f"only a column of type {owner} has a {key}; this one is {self.type}")
            for key, owner in (("separator", "set"), ("unit", "number"))
            if getattr(self, key) is not None and self.type != owner
        ]
        if isinstance(self.null, dict) and not _is_default(self.type, self.null["default"]):
            got = repr(self.null["default"])
            what = f"got {got}, wanted {_DEFAULTS[self.type]}, or `null: missing`"
            found.append(("null.default", what))
        if found:
            raise Mistakes(found)
        return self


def _offered_kind(kind: str) -> str:
    """Accept a kind that is offered, or a user's own file."""
    offered = parts.available("kinds")
    if is_own(kind) or kind in offered:
        return kind
    raise ValueError(unknown_name("modality kind", kind, offered))


class Modality(Strict):
    """One modality: its kind and its column, or several columns with their types (tabular)."""

    kind: Annotated[str, AfterValidator(_offered_kind)]
    """A kind that is offered, or a user's own file relative to the run's configuration."""
    column: str | None = None
    columns: Annotated[dict[str, Column], Field(min_length=1)] | None = None

    raw: RawType = "text"
    """What its raw values are, as the kind declares; ``bytes`` (media) may be named by path."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_kind_declares(cls, tree: object) -> object:
        if isinstance(tree, dict) and tree.get("kind") in parts.available("kinds"):
            return {**tree, "raw": parts.load("kinds", tree["kind"]).RAW}
        return tree

    @model_validator(mode="after")
    def _column_or_columns(self) -> "Modality":
        if (self.column is None) == (self.columns is None):
            raise ValueError("wanted either `column` or `columns` with their types, exactly one")
        if self.raw == "fields" and self.columns is None:
            raise ValueError(
                f"a {self.kind} modality wants `columns: {{NAME: {{type: number}}}}`, not `column`"
            )
        if self.raw != "fields" and self.column is None:
            raise ValueError(f"a modality of kind {self.kind} is in one `column`, not in `columns`")
        return self

    def reading(self, name: str) -> Reading:
        """What reads its values, for a modality of this name."""
        columns = {column: spec.model_dump() for column, spec in (self.columns or {}).items()}
        return Reading(name, self.raw, columns)

    @property
    def used(self) -> list[str]:
        """Names of the columns that this modality reads."""
        return list(self.columns) if self.columns else [str(self.column)]
