"""What a data set's columns mean: ``dataset.yaml``, parsed strictly, all mistakes reported at once."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, ValidationError, model_validator

from components.core.errors import UsageError, unknown_name
from components.core.refs import digest_json
from components.core.strict import Strict, all_at_once, explain, read_yaml
from components.parts import loading as parts

FILE = "dataset.yaml"
RESERVED = ("id", "group", "split", "label")
"""Names that the accepted records give to these four roles, whatever the columns were called."""
MEDIA = ("image", "audio")
"""Kinds whose text values are paths of files."""
_DECLARED = ("image", "text", "audio", "tabular")
"""Kinds of the contract, offered or not yet."""
_TARGETS = ("single", "multi", "none")

Value = str | int | float | bool | list[str]


def _null(value: object) -> object:
    """``missing`` or ``{default: value}``; nothing else says what an empty cell means."""
    if value == "missing" or (
        isinstance(value, dict)
        and list(value) == ["default"]
        and isinstance(value["default"], Value)
    ):
        return value
    raise ValueError(
        f"got {value!r}, wanted `missing` or `{{default: VALUE}}`: what an empty cell means"
    )


def _yaml_null(tree: object) -> object:
    """YAML reads the bare key ``null`` as nothing; here it is a word."""
    return (
        {"null" if k is None else k: v for k, v in tree.items()} if isinstance(tree, dict) else tree
    )


class Column(Strict):
    """One column of a tabular modality."""

    type: Literal["number", "category", "set"]
    unit: str | None = None
    """Unit of a number, for reports."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Between the members of a set that is stored as text; a set stored as a list needs none."""
    null: Annotated[Any, PlainValidator(_null)] = "missing"
    """What an empty cell means: ``missing``, or ``{default: value}``."""

    @property
    def default(self) -> Value | None:
        """The value that an empty cell stands for; None where it means missing."""
        return self.null["default"] if isinstance(self.null, dict) else None

    @property
    def default_cell(self) -> float | str | list[str] | None:
        """The default in the form that modalities read."""
        if self.default is None:
            return None
        if self.type == "number":
            assert isinstance(self.default, int | float), self.default
            return float(self.default)
        return self.members(self.default) if self.type == "set" else str(self.default)

    def members(self, value: object) -> list[str]:
        """Members of a set, sorted, each once, from a list or from text with the separator (default: a comma)."""
        parts_ = (
            value if isinstance(value, list | tuple) else str(value).split(self.separator or ",")
        )
        return sorted({str(p).strip() for p in parts_ if p is not None and str(p).strip()})


class Modality(Strict):
    """One modality: its kind and the column it lies in, or several columns with their types (tabular)."""

    kind: str
    column: str | None = None
    columns: dict[str, Annotated[Column, BeforeValidator(_yaml_null)]] | None = None

    @property
    def used(self) -> list[str]:
        """Names of the columns that this modality reads."""
        return list(self.columns) if self.columns else [str(self.column)]


class Target(Strict):
    """What is predicted; an empty cell is an unlabelled record."""

    column: str
    kind: Literal["single", "multi", "none"] = "single"
    classes: Annotated[list[str], Field(min_length=2)] | None = None
    """All classes; without it they are those of the visible labels."""


class Split(Strict):
    """Given in a column (``train``, ``val``, ``test``), or decided for ever by a salted hash of the group, else the id."""

    column: str | None = None
    salt: str = "concord"
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2


class Manifest(Strict):
    """A data set's columns and their meaning. Source of the shape: any ``dataset.yaml`` in ``conf/``."""

    id: str = "id"
    target: Target
    group: str | None = None
    """Records of one group are never in two splits, and count as the same thing in retrieval."""
    time: str | None = None
    """When a record was made; checked to exist and kept with quarantined records, used by no step yet."""
    split: Split = Split()
    modalities: Annotated[dict[str, Modality], Field(min_length=1)]
    slices: list[str] = Field(default_factory=list)
    """Columns that reports break figures down by."""

    @model_validator(mode="after")
    def _no_cross_mistakes(self) -> "Manifest":
        assert not (problems := _cross(self.model_dump(by_alias=True))), problems
        return self

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
        return self.model_dump(mode="json")

    def accepted(self) -> "Manifest":
        """The same manifest over accepted records, where the roles have their fixed names."""
        target = self.target.model_copy(update={"column": "label"})
        roles = {
            "id": "id",
            "group": "group",
            "time": None,
            "target": target,
            "split": Split(column="split"),
        }
        return self.model_copy(update=roles)

    def digest(self) -> str:
        """SHA-256 of the meaning, whatever the YAML looked like."""
        return digest_json(self.resolved())


def parse(tree: object, where: Path | str = FILE) -> Manifest:
    """Check a manifest given as a mapping.

    Raises:
        UsageError: every mistake, one line each with its path and the nearest valid name.
    """
    problems = _cross(tree if isinstance(tree, dict) else {})
    try:
        return Manifest.model_validate(tree)
    except ValidationError as error:
        pydantic = [p for p in explain(error, Manifest) if not p.startswith("got {")]
        raise all_at_once(where, [*pydantic, *problems]) from error


def load_manifest(data_uri: str, manifest_path: str | Path | None = None) -> Manifest:
    """Read the manifest beside a run's configuration if given, else ``dataset.yaml`` in the data set.

    Raises:
        UsageError: no manifest, or mistakes in it, all at once.
    """
    if manifest_path is not None:
        path = Path(manifest_path)
        if not path.is_file():
            raise UsageError(
                f"no manifest at {path}; `data.manifest` names a YAML file relative to the run's configuration"
            )
        return parse(read_yaml(path), path)
    if "://" not in data_uri:
        path = Path(data_uri) / FILE
        if not path.is_file():
            raise UsageError(_no_manifest(Path(data_uri)))
        return parse(read_yaml(path), path)
    return parse(_read_remote(f"{data_uri.rstrip('/')}/{FILE}"), f"{data_uri.rstrip('/')}/{FILE}")


def _read_remote(uri: str) -> object:
    import fsspec
    import yaml

    filesystem, inner = fsspec.core.url_to_fs(uri)
    if not filesystem.exists(inner):
        raise UsageError(
            f"no manifest at {uri}; put {FILE} there, or name one with `data.manifest`"
        )
    try:
        return yaml.safe_load(filesystem.cat_file(inner))
    except yaml.YAMLError as error:
        raise UsageError(f"{uri} is not readable YAML: {error}") from error


def _no_manifest(folder: Path) -> str:
    if not folder.is_dir():
        return f"no data set at {folder}: no such folder; give another `data.uri`, or make one with `concord data import`"
    return (
        f"no manifest in {folder}; write {FILE} there (what each column means), name one with `data.manifest` in the run's "
        "configuration, or let `concord data import SRC DIR` guess one"
    )


def _cross(tree: dict[Any, Any]) -> list[str]:
    """Mistakes that only several values together show, and what is declared but not offered; never trips over wrong shapes."""
    problems = _target(tree)
    modalities = tree.get("modalities")
    for name, modality in modalities.items() if isinstance(modalities, dict) else ():
        problems += _modality(str(name), modality, tree) if isinstance(modality, dict) else []
    split = tree.get("split")
    if isinstance(split, dict):
        fractions = [split.get("validation", 0.1), split.get("test", 0.2)]
        if all(isinstance(f, int | float) for f in fractions) and sum(fractions) >= 1:
            problems.append(
                f"split: validation {fractions[0]} and test {fractions[1]} leave no training records; wanted a sum below 1"
            )
    return problems + _names(tree)


def _target(tree: dict[Any, Any]) -> list[str]:
    target = tree.get("target")
    if not isinstance(target, dict):
        return []
    kind, classes = target.get("kind", "single"), target.get("classes")
    problems = []
    if kind in _TARGETS and kind != "single":
        problems.append(
            f"target.kind: {kind!r} is declared in the contract but not offered yet; offered: single"
        )
    if isinstance(classes, list) and len(set(map(str, classes))) < len(classes):
        problems.append("target.classes: a class is named twice")
    return problems


def _modality(name: str, modality: dict[Any, Any], tree: dict[Any, Any]) -> list[str]:
    where = f"modalities.{name}"
    problems = []
    if not name.isidentifier():
        problems.append(
            f"{where}: got name {name!r}, wanted letters, digits and underscores (it names files and columns)"
        )
    kind, column, columns = modality.get("kind"), modality.get("column"), modality.get("columns")
    if isinstance(kind, str) and not kind.endswith(".py"):
        problems += _kind(where, kind)
    if (column is None) == (columns is None):
        problems.append(
            f"{where}: wanted either `column` (image, text) or `columns` with their types (tabular), exactly one"
        )
    elif kind == "tabular" and columns is None:
        problems.append(
            f"{where}: a tabular modality wants `columns: {{NAME: {{type: number}}}}`, not `column`"
        )
    elif kind in ("image", "text", "audio") and column is None:
        problems.append(
            f"{where}: a modality of kind {kind} lies in one `column`, not in `columns`"
        )
    target = tree.get("target")
    label = target.get("column") if isinstance(target, dict) else None
    used = [column] if column is not None else list(columns) if isinstance(columns, dict) else []
    if label is not None and label in used:
        problems.append(f"{where}: column {label!r} is the target; a modality must not read it")
    for key, spec in columns.items() if isinstance(columns, dict) else ():
        problems += _column(f"{where}.columns.{key}", spec) if isinstance(spec, dict) else []
    return problems


def _kind(where: str, kind: str) -> list[str]:
    offered = parts.available("kinds")
    if kind in offered:
        return []
    if kind in _DECLARED:
        return [
            f"{where}.kind: {kind!r} is declared in the contract but not offered yet; offered: {', '.join(offered)}"
        ]
    return [f"{where}.kind: {unknown_name('modality kind', kind, offered)}"]


def _column(where: str, spec: dict[Any, Any]) -> list[str]:
    kind, problems = spec.get("type"), []
    for key, owner in (("separator", "set"), ("unit", "number")):
        if spec.get(key) is not None and kind in ("number", "category", "set") and kind != owner:
            problems.append(
                f"{where}.{key}: only a column of type {owner} has a {key}; this one is {kind}"
            )
    null = spec.get("null", spec.get(None))
    default = null.get("default") if isinstance(null, dict) else None
    fits = {"number": int | float, "category": str | bool | int, "set": str | list}.get(str(kind))
    if default is not None and fits is not None and not isinstance(default, fits):
        problems.append(f"{where}.null.default: got {default!r}, wanted a {kind}")
    return problems


def _names(tree: dict[Any, Any]) -> list[str]:
    """A feature or slice column may not carry a fixed name that belongs to another column's role."""
    target, split = tree.get("target"), tree.get("split")
    roles = {
        "id": tree.get("id", "id"),
        "group": tree.get("group"),
        "split": split.get("column") if isinstance(split, dict) else None,
        "label": target.get("column") if isinstance(target, dict) else None,
    }
    modalities, slices, used = tree.get("modalities"), tree.get("slices"), []
    for modality in modalities.values() if isinstance(modalities, dict) else ():
        if isinstance(modality, dict):
            columns = modality.get("columns")
            used += [modality.get("column"), *(columns if isinstance(columns, dict) else ())]
    used += slices if isinstance(slices, list) else []
    return [
        f"column {name!r}: this name is kept for the record's {name}; rename the column in the records"
        for name in RESERVED
        if name in used and roles[name] != name
    ]
