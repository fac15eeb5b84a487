"""YAML as people write it, read strictly: the core schema of YAML 1.2, every mistake with its line.

Source: https://yaml.org/spec/1.2.2/#103-core-schema. Three rules are narrower than it, so that no
text turns into something else: keys are text as they stand; a number with zeros in front of it is
text; a date without quotes is refused, since other readers make a date of it.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import UsageError

_MOST_BYTES = 16 * 2**20
_MOST_VALUES = 200_000
"""Values in a file, those that an alias repeats counted each time."""
_DEEPEST = 100
_LARGEST = 2**63 - 1

_PLAIN = "plain"
"""Tag of a scalar without quotes and without a tag of its own."""
_TEXT, _MAP, _LIST = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\s].*)?")
_UNFIT = re.compile("[\0\ud800-\udfff]")
_BREAKS = re.compile("[\x85\u2028\u2029]")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_DIGITS = 400
"""Digits that a number may have: more than the largest float."""


@dataclass(frozen=True)
class Document:
    """What a file holds.

    Attributes:
        tree: its mapping.
        mistakes: one line each, for a list of all mistakes in the file.
    """

    tree: dict[str, Any]
    mistakes: list[str] = field(default_factory=list)


def read_yaml(path: Path, missing: str = "") -> Document:
    """Read a YAML file that must hold a mapping.

    Args:
        path: the file.
        missing: the message where it does not exist.

    Raises:
        UsageError: it cannot be read, is not YAML, or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        if missing and isinstance(error, FileNotFoundError):
            raise UsageError(missing) from error
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {why}; wanted a YAML file") from error
    return parse_yaml(data, path)


def parse_yaml(data: bytes | str, where: Path | str) -> Document:
    """Parse YAML that must hold a mapping.

    Args:
        data: the file's content.
        where: its name in messages.

    Raises:
        UsageError: it is not YAML, or holds something else than a mapping.
    """
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{where}: got more than {_MOST_BYTES} bytes, wanted a short YAML file")
    text = data if isinstance(data, str) else _decoded(data, where)
    builder = _Builder()
    try:
        node = yaml.compose(text, _Loader)
        tree = builder.value(node, ()) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = ", ".join(part for part in (error.context, error.problem) if part)
        what += "; indent with spaces" if "\\t" in what else ""
        raise UsageError(f"{where} is not readable YAML: {place}{what}") from error
    except RecursionError as error:
        raise UsageError(f"{where}: its values are nested too deeply") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        what = " ".join(str(error).split())
        raise UsageError(f"{where} is not readable YAML: {what}") from error
    if not isinstance(tree, dict):
        got = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise UsageError(f"{where}: got {got}, wanted a mapping (`key: value` lines)")
    return Document(tree, builder.mistakes)


def written_yaml(tree: dict[str, Any]) -> str:
    """YAML that this reader, and readers of YAML 1.1, read back as the same values."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _decoded(data: bytes, where: Path | str) -> str:
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{where}: line {line} is not {encoding} (byte 0x{data[error.start]:02x}); "
            "save the file as UTF-8"
        ) from error


class _Loader(yaml.BaseLoader):
    """Composes nodes and leaves the meaning of plain scalars to the builder."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:  # noqa: ANN401
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 takes for something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Text; PyYAML folds these line breaks wrongly in every style but one."""
    return dumper.represent_scalar(_TEXT, text, '"' if _BREAKS.search(text) else None)


_Dumper.add_representer(str, _text)
for _tag, _pattern in (("float", _FLOAT), ("int", _BASED)):
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern.pattern})$"), list("-+.0123456789")
    )


class _Builder:
    """Makes Python values of nodes and collects mistakes."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self._values = 0

    def value(self, node: yaml.Node, path: tuple[str, ...]) -> Any:  # noqa: ANN401
        """The value of a node.

        Raises:
            ValueError: there are too many values, or they are nested too deeply.
        """
        self._values += 1
        if self._values > _MOST_VALUES or len(path) > _DEEPEST:
            raise ValueError(
                f"got more than {_MOST_VALUES} values or {_DEEPEST} levels; "
                "wanted fewer (an alias counts as all that it repeats)"
            )
        if isinstance(node, yaml.MappingNode):
            self._refuse_tag(node, _MAP, path)
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._refuse_tag(node, _LIST, path)
            return [self.value(item, (*path, str(i))) for i, item in enumerate(node.value)]
        text = str(node.value)
        if _UNFIT.search(text):
            self._mistake(node, path, f"got {text!r}, wanted text without \\0 and half surrogates")
            return _UNFIT.sub("?", text)
        if node.tag != _PLAIN:
            self._refuse_tag(node, _TEXT, path)
            return text
        return self._plain(node, text, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._mistake(key_node, path, "got a list or a mapping as a key, wanted text")
                continue
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in lines:
                first = lines[key]
                where = f"line {line}" if first == line else f"lines {first} and {line}"
                what = f"is given twice ({where}); drop one"
                self.mistakes.append(f"{'.'.join((*path, key))}: {what}")
                continue
            lines[key] = line
            if key == "<<" and key_node.tag == _PLAIN:
                merged = self._merged(value_node, path)
                continue
            if _UNFIT.search(key):
                self._mistake(key_node, path, f"got the key {key!r}, wanted text")
                continue
            found[key] = self.value(value_node, (*path, key))
        return merged | found

    def _merged(self, node: yaml.Node, path: tuple[str, ...]) -> dict[str, Any]:
        """What ``<<: *anchor`` takes over; of several mappings the first that has a key counts."""
        parts = self.value(node, (*path, "<<"))
        found: dict[str, Any] = {}
        for part in parts if isinstance(parts, list) else [parts]:
            if isinstance(part, dict):
                found = part | found
            else:
                self._mistake(node, path, f"got {part!r} after `<<`, wanted a mapping")
        return found

    def _plain(self, node: yaml.Node, text: str, path: tuple[str, ...]) -> Any:  # noqa: ANN401
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text.lower() == "true"
        if _DATE.fullmatch(text):
            self._mistake(node, path, f"got a date without quotes; write '{text}' for text")
            return text
        number = None if len(text) > _DIGITS else _number(text)
        if number is None and not _NOT_FINITE.fullmatch(text):
            return text
        most = _LARGEST if isinstance(number, int) else sys.float_info.max
        if number is None or abs(number) > most:
            self._mistake(node, path, f"got {text}, wanted a finite number of at most 64 bits")
            return 1
        return number

    def _refuse_tag(self, node: yaml.Node, wanted: str, path: tuple[str, ...]) -> None:
        if node.tag != wanted:
            tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
            self._mistake(node, path, f"got the tag {tag}; drop it")

    def _mistake(self, node: yaml.Node, path: tuple[str, ...], what: str) -> None:
        place = ".".join(path)
        self.mistakes.append(
            f"{place}{': ' if place else ''}{what} (line {node.start_mark.line + 1})"
        )


def _number(text: str) -> int | float | None:
    """The finite number that a plain scalar stands for."""
    if _WHOLE.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return None
