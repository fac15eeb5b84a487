"""Strictly parsed YAML: frozen models, and every mistake said in one line with its path and the nearest valid name."""

import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from components.errors import UsageError, unknown_name


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and does not convert types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def read_yaml(path: Path) -> dict[Any, Any]:
    """Read a YAML file that must hold a mapping.

    Raises:
        UsageError: not readable, not YAML, or no mapping.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(tree, dict):
        raise UsageError(f"{path}: got {type(tree).__name__}, wanted a mapping (`key: value` lines)")
    return tree


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each mistake pydantic found in a tree for ``model``."""
    lines = []
    for item in error.errors():
        where = ".".join(str(p) for p in item["loc"])
        if item["type"] == "extra_forbidden":
            fields = _fields_at(model, item["loc"][:-1])
            lines.append(f"{where}: {unknown_name('key', str(item['loc'][-1]), fields)}")
        elif item["type"] == "missing":
            lines.append(f"{where}: missing; it must be given")
        elif item["type"] == "value_error":
            lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
        else:
            lines.append(f"{where}: got {item['input']!r}, wanted: {item['msg'].removeprefix('Input should be ')}")
    return lines


def all_at_once(path: Path | str, problems: Sequence[str]) -> UsageError:
    """One error that lists every mistake in a file."""
    count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
    return UsageError(f"{count} in {path}:\n" + "\n".join(f"  - {p}" for p in problems))


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Valid keys at a place in the tree: the walk goes through optional fields, lists and mappings of models."""
    here: Any = model
    for key in loc:
        candidates = [c for c in _models(here) if str(key) in c.model_fields]
        if candidates:
            here = candidates[0].model_fields[str(key)].annotation
        elif (inside := _element(here)) is not None:
            here = inside
    found = _models(here)
    return list(found[0].model_fields) if found else []


def _models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401
    options = [annotation, *_options(annotation)]
    return [o for o in options if isinstance(o, type) and not typing.get_origin(o) and issubclass(o, BaseModel)]


def _element(annotation: Any) -> Any:  # noqa: ANN401
    """The type of a mapping's values or a list's items, None where the annotation is neither."""
    for option in [annotation, *_options(annotation)]:
        if typing.get_origin(option) in (dict, list, tuple):
            arguments: tuple[Any, ...] = typing.get_args(option)
            return arguments[1] if typing.get_origin(option) is dict else arguments[0]
    return None


def _options(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else ()
