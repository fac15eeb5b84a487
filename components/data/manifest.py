"""What a data set's columns mean: ``dataset.yaml``, parsed strictly, all mistakes at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from components.core.errors import UsageError
from components.core.places import local, opened
from components.core.refs import digest_json
from components.core.strict import Mistakes, Strict, all_at_once, explain
from components.core.yaml_file import Document, parse_yaml, read_yaml
from components.data.modality import Modality
from components.data.target import Target
from components.parts import loading as parts
from components.parts.own import is_own

FILE = "dataset.yaml"
RESERVED = ("id", "group", "split", "label")
"""Names of the four roles in accepted records, whatever the columns were called before.

``time`` is a fifth one where a data set has it.
"""


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
    time: str | None = None
    """The moment that a record is from; searches can filter by it, and no model reads it."""
    split: Split = Split()
    modalities: Annotated[dict[str, Modality], Field(min_length=1)]
    slices: list[str] = Field(default_factory=list)
    """Columns by which reports break figures down."""

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
            **({"time": self.time} if self.time is not None else {}),
        }
        read = {*self.feature_columns, *self.slices}
        found += [
            (
                f"column {name!r}",
                f"this name is reserved for the record's {name}; rename the column",
            )
            for name in roles
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
        roles = [self.id, self.target.column, self.group, self.time, self.split.column]
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
        if self.time is None:
            del tree["time"]
        return tree

    def accepted(self) -> "Manifest":
        """The same manifest over accepted records, where the roles have their fixed names."""
        column = None if self.target.cells == "none" else "label"
        target = self.target.model_copy(update={"column": column, "separator": None})
        roles = {
            "id": "id",
            "group": "group",
            "time": None if self.time is None else "time",
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
            f"no data set at {folder}: no such folder; correct its place (`data.uri` of a run), or "
            "make one with `concord data import SRC DIR`"
        )
    return (
        f"no manifest in {folder}; write {FILE} there (what each column means), name one with "
        "`data.manifest` in the run's configuration, or let `concord data import SRC DIR` guess one"
    )
