"""What a data set's columns mean: ``dataset.yaml``, parsed strictly, all mistakes at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from components.core.errors import UsageError, unknown_name
from components.core.places import local, opened
from components.core.refs import digest_json
from components.core.strict import Mistakes, Strict, all_at_once, explain
from components.core.values import as_text, is_empty
from components.core.yaml_file import Document, parse_yaml, read_yaml
from components.parts import loading as parts
from components.parts.contracts import RawType
from components.parts.own import is_own
from components.parts.reading import LARGEST, Reading

FILE = "dataset.yaml"
RESERVED = ("id", "group", "split", "label")
"""Names of the four roles in accepted records, whatever the columns were called before."""
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


def _offered_kind(kind: str) -> str:
    """Accept a kind that is offered, or a user's own file."""
    offered = parts.available("kinds")
    if is_own(kind) or kind in offered:
        return kind
    raise ValueError(unknown_name("modality kind", kind, offered))


def _offered_target(kind: str) -> str:
    offered = parts.available("targets")
    if is_own(kind) or kind in offered:
        return kind
    raise ValueError(unknown_name("target", kind, offered))


def _class(name: object) -> object:
    """The name of a class as its column shows it; 1.50 has lost its text and stays a mistake."""
    return as_text(name) if isinstance(name, int) else name


def _each_once(classes: list[str]) -> list[str]:
    if len(set(classes)) < len(classes):
        raise ValueError("a class is named twice")
    if any(is_empty(name) for name in classes):
        raise ValueError("a class has no name; records without a label need no class")
    return classes


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
            raise ValueError(
                f"a modality of kind {self.kind} lies in one `column`, not in `columns`"
            )
        return self

    def reading(self, name: str) -> Reading:
        """What reads its values, for a modality of this name."""
        columns = {column: spec.model_dump() for column, spec in (self.columns or {}).items()}
        return Reading(name, self.raw, columns)

    @property
    def used(self) -> list[str]:
        """Names of the columns that this modality reads."""
        return list(self.columns) if self.columns else [str(self.column)]


class Target(Strict):
    """What is predicted; an empty cell is an unlabelled record."""

    column: str | None = None
    """The column of labels; a target without labels (``none``) has none."""
    kind: Annotated[str, AfterValidator(_offered_target)] = "single"
    """A target that is offered, or a user's own file relative to the run's configuration."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Separates the classes of a set stored as text; a set stored as a list needs none.

    An empty list is a label, "none of the classes"; an empty text, like null, is no label."""
    classes: (
        Annotated[
            list[Annotated[str, BeforeValidator(_class)]],
            Field(min_length=2),
            AfterValidator(_each_once),
        ]
        | None
    ) = None
    """All classes; by default the classes of the visible labels."""

    cells: Literal["one", "set", "none"] = "one"
    """What a cell of the column holds, as the target declares: a class, or a set of them."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_kind_declares(cls, tree: object) -> object:
        if isinstance(tree, dict) and tree.get("kind") in parts.available("targets"):
            return {**tree, "cells": parts.load("targets", tree["kind"]).CELLS}
        return tree

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Target":
        found = []
        if self.cells == "none":
            found = [
                (key, f"a target of kind {self.kind} has no labels, so no {key}; drop it")
                for key in ("column", "separator", "classes")
                if getattr(self, key) is not None
            ]
        elif self.column is None:
            found = [
                ("column", "wanted the column of labels; without any labels write `kind: none`")
            ]
        elif self.separator is not None and self.cells != "set":
            what = f"only a target of kind multi has a separator; this one is {self.kind}"
            found = [("separator", what)]
        if found:
            raise Mistakes(found)
        return self


class Split(Strict):
    """Given in a column (``train``, ``val``, ``test``), else decided by a salted hash.

    The record's group is hashed, or its id if there is no group, so a record never changes its
    split.
    """

    column: str | None = None
    salt: str = "concord"
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _leaves_training_records(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation {self.validation} and test {self.test} leave no training records; "
                "wanted a sum below 1"
            )
        return self


class Manifest(Strict):
    """A data set's columns and their meaning; for examples see ``conf/*.dataset.yaml``."""

    id: str = "id"
    target: Target
    group: str | None = None
    """Records of one group are never in two splits, and count as the same thing in retrieval."""
    split: Split = Split()
    modalities: Annotated[dict[str, Modality], Field(min_length=1)]
    slices: list[str] = Field(default_factory=list)
    """Columns by which reports break figures down."""

    @model_validator(mode="before")
    @classmethod
    def _no_time(cls, tree: object) -> object:
        """Refuse ``time``, which the contract declares; earlier versions stored it empty."""
        if not isinstance(tree, dict) or "time" not in tree:
            return tree
        if tree["time"] is not None:
            raise Mistakes([("time", "declared in the contract but not used yet; drop it")])
        return {key: value for key, value in tree.items() if key != "time"}

    @model_validator(mode="after")
    def _names_fit_together(self) -> "Manifest":
        found = []
        for name, modality in self.modalities.items():
            if not name.isidentifier():
                wanted = "letters, digits and underscores (it names files and columns)"
                found.append((f"modalities.{name}", f"got name {name!r}, wanted {wanted}"))
            label = self.target.column
            if label is not None and label in modality.used:
                what = f"column {label!r} is the target; a modality must not read it"
                found.append((f"modalities.{name}", what))
        roles = {
            "id": self.id,
            "group": self.group,
            "split": self.split.column,
            "label": self.target.column,
        }
        read = {*self.feature_columns, *self.slices}
        found += [
            (f"column {name!r}", f"this name is kept for the record's {name}; rename the column")
            for name in RESERVED
            if name in read and roles[name] != name
        ]
        if found:
            raise Mistakes(found)
        return self

    @property
    def media(self) -> list[str]:
        """Names of the modalities whose values may be files, sorted."""
        return [name for name, m in sorted(self.modalities.items()) if m.raw == "bytes"]

    @property
    def feature_columns(self) -> list[str]:
        """Columns that some modality reads, each once."""
        return list(
            dict.fromkeys(c for name in sorted(self.modalities) for c in self.modalities[name].used)
        )

    @property
    def used(self) -> list[str]:
        """Every column the manifest names, each once."""
        roles = [self.id, self.target.column, self.group, self.split.column]
        return list(
            dict.fromkeys([r for r in roles if r is not None] + self.feature_columns + self.slices)
        )

    def resolved(self) -> dict[str, Any]:
        """Everything written out, as JSON values; ``Manifest.model_validate`` reads it back."""
        tree = self.model_dump(mode="json")
        # Left out where they say nothing, so that manifests of earlier versions keep their digest.
        for name, value in (("separator", None), ("cells", "one")):
            if tree["target"][name] == value:
                del tree["target"][name]
        return tree

    def accepted(self) -> "Manifest":
        """The same manifest over accepted records, where the roles have their fixed names."""
        column = None if self.target.cells == "none" else "label"
        target = self.target.model_copy(update={"column": column, "separator": None})
        roles = {
            "id": "id",
            "group": "group",
            "target": target,
            "split": Split(column="split"),
        }
        return self.model_copy(update=roles)

    def digest(self) -> str:
        """SHA-256 of the meaning, whatever the YAML looked like."""
        return digest_json(self.resolved())


def parse(
    tree: object,
    where: Path | str = FILE,
    base: Path | None = None,
    mistakes: Sequence[str] = (),
) -> Manifest:
    """Check a manifest given as a mapping.

    Args:
        tree: the mapping.
        where: its name in messages.
        base: folder that a user's own kinds are relative to.
        mistakes: those that were found as its YAML was read.

    Raises:
        UsageError: every mistake, one line each with its path and the nearest valid name.
    """
    try:
        manifest = Manifest.model_validate(_with_own_parts(tree, base))
    except ValidationError as error:
        raise all_at_once(where, [*explain(error, Manifest), *mistakes]) from error
    if mistakes:
        raise all_at_once(where, mistakes)
    return manifest


def _with_own_parts(tree: object, base: Path | None) -> object:
    """The mapping, completed by the declarations of a user's own kinds."""
    modalities = tree.get("modalities") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(modalities, dict):
        return tree
    known = {}
    for name, modality in modalities.items():
        kind = modality.get("kind") if isinstance(modality, dict) else None
        if isinstance(kind, str) and is_own(kind):
            known[name] = {**modality, "raw": parts.load("kinds", kind, base).RAW}
    target = tree.get("target")
    kind = target.get("kind") if isinstance(target, dict) else None
    if isinstance(target, dict) and isinstance(kind, str) and is_own(kind):
        cells = getattr(parts.load("targets", kind, base), "CELLS", "one")
        tree = {**tree, "target": {**target, "cells": cells}}
    return {**tree, "modalities": {**modalities, **known}}


def load_manifest(
    data_uri: str, manifest_path: str | Path | None = None, base: Path | None = None
) -> Manifest:
    """Read the manifest that a run's configuration names, else ``dataset.yaml`` in the data set.

    Args:
        data_uri: the data set.
        manifest_path: the manifest that the configuration names.
        base: folder of the configuration, which a user's own kinds are relative to.

    Raises:
        UsageError: the manifest does not exist or has mistakes; all are listed.
    """
    if manifest_path is not None:
        place = str(manifest_path)
        missing = (
            f"no manifest at {place}; `data.manifest` names a YAML file relative to the run's "
            "configuration"
        )
        document = read_yaml(Path(place), missing)
    elif (folder := local(data_uri)) is not None:
        place = str(folder / FILE)
        document = read_yaml(Path(place), _no_manifest(folder))
    else:
        place = f"{data_uri.rstrip('/')}/{FILE}"
        document = _read_remote(place)
    return parse(document.tree, place, base, document.mistakes)


def _read_remote(uri: str) -> Document:

    filesystem, inner = opened(uri)
    if not filesystem.exists(inner):
        raise UsageError(
            f"no manifest at {uri}; put {FILE} there, or name one with `data.manifest`"
        )
    return parse_yaml(filesystem.cat_file(inner), uri)


def _no_manifest(folder: Path) -> str:
    if not folder.is_dir():
        return (
            f"no data set at {folder}: no such folder; give another `data.uri`, or make one with "
            "`concord data import SRC DIR`"
        )
    return (
        f"no manifest in {folder}; write {FILE} there (what each column means), name one with "
        "`data.manifest` in the run's configuration, or let `concord data import SRC DIR` guess one"
    )
