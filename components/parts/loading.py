"""Parts chosen by name: one file is one part, and its file name is its name in YAML.

The folder is the part's family. A part file exports a frozen dataclass ``Config`` and
``build(config, **parts)``. Folders are listed with ``pkgutil`` and only the chosen file is
imported.

A name that ends in ``.py`` is a user's own file of the same shape, in the folder of the run's
configuration or below it. It may import installed packages and Concord, but not the files beside
it, so that it can travel alone.
"""

import ast
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import shutil
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from components.core.errors import UsageError, unknown_name
from components.core.refs import digest_bytes, digest_file
from components.core.strict import explain
from components.parts import own

FAMILIES = {
    "projectors": "projector",
    "fusion": "fusion",
    "losses": "loss",
    "labellers": "labeller",
    "ssl": "ssl",
    "balance": "balance",
    "kinds": "kind",
    "encoders": "encoder",
    "targets": "target",
    "heads": "head",
    "index": "index",
}
"""Folder of a family to what messages call one of its parts."""
_GIVEN = {
    "projectors": ("width", "dim"),
    "fusion": ("names", "dim", "dropout"),
    "ssl": ("setting",),
    "balance": ("modalities",),
    "kinds": ("name", "columns"),
    "encoders": ("kind",),
    "targets": ("classes",),
}
"""What ``build`` is given by name, beside the options; nothing in other families."""
_NAMED = {"heads", "index"}
"""Families whose parts are chosen by name alone."""
_DECLARED = {
    "kinds": (
        "RAW",
        "VERSION",
        "LIBRARIES",
        "ENCODERS",
        "SUFFIXES",
        "MEDIA_TYPES",
        "ACCEPTS",
        "guess",
        "preview_type",
    ),
    "encoders": ("KIND", "VERSION", "LIBRARIES"),
    "targets": ("METRICS",),
    "heads": ("LIBRARIES",),
    "ssl": ("refuses",),
    "index": ("LIBRARIES", "open"),
}
"""What the files of a family export beside ``Config`` and ``build`` (see ``parts.contracts``)."""
_ROOT = Path(__file__).parent


def available(family: str) -> list[str]:
    """Names of all parts of a family, without importing them."""
    return sorted(
        m.name for m in pkgutil.iter_modules([str(_ROOT / family)]) if not m.name.startswith("_")
    )


def source(family: str, name: str, base: Path | None = None) -> Path:
    """The file behind a part's name.

    Args:
        family: folder of the family.
        name: a name in the family, or the path of a user's own file.
        base: folder that holds own files: that of the run's configuration, or of a package.

    Raises:
        UsageError: no such part, or an own file outside ``base``.
    """
    if own.is_own(name):
        return own.source(FAMILIES[family], name, base)
    if name not in available(family):
        own_file = f", or a path to your own file ('./my_{FAMILIES[family]}.py')"
        raise UsageError(
            unknown_name(FAMILIES[family], name, available(family))
            + (own_file if family not in _NAMED else "")
        )
    return _ROOT / family / f"{name}.py"


def source_digest(family: str, name: str, base: Path | None = None) -> str:
    """SHA-256 of a part's source text: part of the key of every step that uses it.

    The files of any family that the part imports, directly or through others, count as its own
    text (``_minilm.py``, the loss ``info_nce`` in ``completion``). The shared modules of this
    folder do not: a change there raises the version of the steps whose output it changes.
    """
    path = source(family, name, base)
    return digest_bytes(*(file.read_bytes() for file in [path, *sorted(_imported(path))]))


def load(family: str, name: str, base: Path | None = None) -> types.ModuleType:
    """Import the one file of a part.

    Raises:
        UsageError: no such part, or an own file that cannot be imported or lacks an export.
    """
    path = source(family, name, base)
    if not own.is_own(name):
        return importlib.import_module(f"components.parts.{family}.{name}")
    module = own.imported(path)
    exports = ("Config", "build", *_DECLARED.get(family, ()))
    if missing := [export for export in exports if not hasattr(module, export)]:
        raise UsageError(
            f"{path}: a file of the family {family} must export {', '.join(exports)};"
            f" {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        )
    if not (isinstance(module.Config, type) and dataclasses.is_dataclass(module.Config)):
        raise UsageError(
            f"{path}: `Config` must be a dataclass; write `@dataclass(frozen=True, kw_only=True)`"
        )
    _check_build(family, path, module.build)
    return module


def _check_build(family: str, path: Path, build: Callable[..., object]) -> None:
    """Refuse an own part whose ``build`` takes other arguments than its family's."""
    given = _GIVEN.get(family, ())
    try:
        inspect.signature(build).bind(None, **dict.fromkeys(given))
    except TypeError as error:
        wanted = ", ".join(["config", *(["*", *given] if given else [])])
        raise UsageError(f"{path}: `build` must take ({wanted}): {error}") from None


def configure(
    family: str,
    name: str,
    options: Mapping[str, object],
    base: Path | None = None,
    where: str | None = None,
) -> Any:  # noqa: ANN401
    """Check YAML options and build the ``Config`` of a part from them.

    Args:
        family: folder of the family.
        name: name of the part.
        options: the options in the YAML, without the name; tuples are written as lists.
        base: folder that holds own files.
        where: path of the options in the YAML, for messages.

    Raises:
        UsageError: unknown options and wrong values, all of them at once, one line each.
    """
    where = where or f"{FAMILIES[family]} {name}"
    config_type = load(family, name, base).Config
    fields = {f.name for f in dataclasses.fields(config_type)}
    problems = [
        f"{where}.{key}: {unknown_name(f'option of {FAMILIES[family]} {name}', key, fields)}"
        for key in options
        if key not in fields
    ]
    known = {key: value for key, value in options.items() if key in fields}
    try:
        # JSON knows lists only, so that strict checks accept them for tuples.
        config = TypeAdapter(config_type).validate_json(to_json(known), strict=True)
    except ValidationError as error:
        problems += explain(error, config_type, where)
    except (PydanticUserError, PydanticSerializationError) as error:
        raise UsageError(f"{where}: {source(family, name, base)}: `Config`: {error}") from error
    if problems:
        raise UsageError("\n".join(problems))
    return config


def _imported(path: Path) -> set[Path]:
    """Other files of the families that a file imports, directly or through others."""
    found: set[Path] = set()
    todo = [path]
    while todo:
        names = _family_modules(todo.pop().read_bytes())
        files = {_ROOT / family / f"{module}.py" for family, module in names}
        new = {file for file in files if file.is_file()} - found - {path}
        found |= new
        todo += new
    return found


@functools.cache
def _family_modules(text: bytes) -> frozenset[tuple[str, str]]:
    """Family and module of what may be imported from the families by a file with this text."""
    if b"components.parts." not in text:  # parsing takes milliseconds
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = (name.removeprefix("components.parts.").split(".") for name in names)
    return frozenset((family, rest[0]) for family, *rest in found if family in FAMILIES and rest)


def carry(chosen: Iterable[tuple[str, str]], base: Path | None, folder: Path) -> list[str]:
    """Copy a user's own files into a folder that then serves as ``base``.

    Args:
        chosen: family and name of each part; names that are not paths are skipped.
        base: folder that holds the files.
        folder: takes them under their names; made if needed.

    Returns:
        The names of the copied files.

    Raises:
        UsageError: a file is missing, or lies outside ``base``.
    """
    found = [(family, name) for family, name in chosen if own.is_own(name)]
    for family, name in found:
        target = folder / name
        path = source(family, name, base)
        if path != target.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return [name for _, name in found]


def code_digests(chosen: Iterable[tuple[str, str]], base: Path | None) -> frozenset[str]:
    """SHA-256 of each of a user's own files among the chosen parts.

    Args:
        chosen: family and name of each part; names that are not paths are skipped.
        base: folder that holds the files.
    """
    return frozenset(
        digest_file(source(family, name, base)) for family, name in chosen if own.is_own(name)
    )
