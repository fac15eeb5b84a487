"""Strictly checked settings: frozen models, and one line for each mistake with its path."""

import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from components.core.errors import UsageError, unknown_name

_SHOWN = 120
"""Characters of a wrong value that a message shows."""
_PLAIN = {
    "bool_type": "true or false",
    "dict_type": "a dictionary, such as `{key: value}`, or `{}`",
}
"""What is wanted, by pydantic's type of mistake."""


class Mistakes(ValueError):
    """Several impossible combinations in one model, each with the path of the field to mend."""

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {what}" for where, what in found))
        self.found = tuple(found)


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and infinite numbers and does not convert types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def explain(error: ValidationError, model: type, where: str = "") -> list[str]:
    """One line for each mistake that pydantic found in a tree.

    Args:
        error: what pydantic found.
        model: the model or dataclass of the tree.
        where: path of the tree in the user's file; paths of mistakes start with it.
    """
    lines, items = [], error.errors()
    for item in items:
        if _counts_only_good_items(item, items):
            continue
        for inner, what in _explained(item, model):
            path = ".".join(p for p in (where, *inner) if p)
            lines.append(f"{path}: {what}" if path else what)
    return lines


def _counts_only_good_items(item: ErrorDetails, items: Sequence[ErrorDetails]) -> bool:
    """Whether a list is called too short because its wrong items, told beside it, do not count."""
    size = len(item["loc"])
    return item["type"] == "too_short" and any(
        len(other["loc"]) > size and other["loc"][:size] == item["loc"] for other in items
    )


def _explained(item: ErrorDetails, model: type) -> list[tuple[list[str], str]]:
    """Path and wording of the mistakes behind one error of pydantic."""
    place, models = _walk(model, item["loc"])
    cause = item.get("ctx", {}).get("error")
    if item["type"] == "extra_forbidden":
        _, around = _walk(model, item["loc"][:-1])
        fields = list(around[0].model_fields) if around else []
        return [(place, unknown_name("key", str(item["loc"][-1]), fields))]
    if item["type"] == "missing":
        return [(place, "missing; it must be given")]
    if item["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag, got = item["ctx"]["discriminator"].strip("'"), item["ctx"].get("tag")
        names = [n for m in models for n in typing.get_args(m.model_fields[tag].annotation)]
        what = unknown_name(tag, got, names) if got else f"missing; wanted one of {names}"
        return [([*place, tag], what)]
    if isinstance(cause, Mistakes):
        return [([*place, inner], what) for inner, what in cause.found]
    if item["type"] == "value_error":
        return [(place, item["msg"].removeprefix("Value error, "))]
    wanted = _keys(models) if item["type"] == "model_type" else _wanted(item)
    return [(place, f"got {_short(item['input'])}, wanted: {wanted}")]


def _keys(models: Sequence[type[BaseModel]]) -> str:
    """What stands where models may stand."""
    names = sorted({name for model in models for name in model.model_fields})
    return f"a dictionary with keys of {', '.join(names)}" if names else _PLAIN["dict_type"]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _wanted(item: ErrorDetails) -> str:
    limits = item.get("ctx", {})
    if item["type"] == "too_short":
        return f"at least {limits['min_length']} item{'s' * (limits['min_length'] != 1)}"
    if item["type"] == "too_long":
        return f"at most {limits['max_length']} items"
    if item["type"] == "string_pattern_mismatch":
        return f"text of the form {limits['pattern']}"
    if item["type"] in _PLAIN:
        return _PLAIN[item["type"]]
    if item["type"] == "string_type":
        scalar = isinstance(item["input"], bool | int | float)
        return "text; write it in quotes" if scalar else "text"
    return item["msg"].removeprefix("Input should be ")


def all_at_once(path: Path | str, problems: Sequence[str]) -> UsageError:
    """One error that lists every mistake in a file."""
    count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
    return UsageError(f"{count} in {path}:\n" + "\n".join(f"  - {p}" for p in problems))


def _walk(model: type, loc: tuple[int | str, ...]) -> tuple[list[str], list[type[BaseModel]]]:
    """The path a user wrote and the models that may stand there.

    The walk goes through optional fields, lists and mappings of models; the tag that pydantic puts
    into the path of a union's member chooses that member and is left out.
    """
    here: Any = model
    path: list[str] = []
    for key in loc:
        found = _models(here)
        tagged = [m for m in found if len(found) > 1 and key in _tags(m)]
        if tagged:
            here = tagged[0]
            continue
        path.append(str(key))
        candidates = [c for c in found if str(key) in c.model_fields]
        if candidates:
            here = candidates[0].model_fields[str(key)].annotation
        elif (inside := _element(here)) is not None:
            here = inside
    return path, _models(here)


def _tags(model: type[BaseModel]) -> set[str]:
    """Values of a model's literal fields: one of them is the tag of a union."""
    literals = [
        f.annotation
        for f in model.model_fields.values()
        if typing.get_origin(f.annotation) is typing.Literal
    ]
    return {
        value
        for literal in literals
        if len(typing.get_args(literal)) == 1
        for value in typing.get_args(literal)
    }


def _models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401
    options = [annotation, *_options(annotation)]
    return [
        o
        for o in options
        if isinstance(o, type) and not typing.get_origin(o) and issubclass(o, BaseModel)
    ]


def _element(annotation: Any) -> Any:  # noqa: ANN401
    """The type of a mapping's values or a list's items, None where the annotation is neither."""
    for option in [annotation, *_options(annotation)]:
        if typing.get_origin(option) in (dict, list, tuple):
            arguments: tuple[Any, ...] = typing.get_args(option)
            return arguments[1] if typing.get_origin(option) is dict else arguments[0]
    return None


def _options(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return (
        typing.get_args(annotation)
        if typing.get_origin(annotation) in (typing.Union, types.UnionType)
        else ()
    )
