"""Parts chosen by name: one file is one part, its file name is its name in YAML.

A part file exports a frozen dataclass ``Config`` and ``build(config, **parts)``. Folders are listed with ``pkgutil`` and
only the chosen file is imported. A name that ends in ``.py`` is a user's own file of the same shape.
"""

import dataclasses
import importlib
import importlib.util
import pkgutil
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.core.errors import UsageError, unknown_name
from components.core.refs import digest_bytes

FOLDERS = {
    "fusion": "fusion",
    "loss": "losses",
    "labeller": "labellers",
    "modality kind": "kinds",
    "index": "index",
}
_ROOT = Path(__file__).parent


def available(kind: str) -> list[str]:
    """Names of all parts of a kind, without importing them."""
    return sorted(
        m.name
        for m in pkgutil.iter_modules([str(_ROOT / FOLDERS[kind])])
        if not m.name.startswith("_")
    )


def source(kind: str, name: str, base: Path | None = None) -> Path:
    """The file behind a part's name.

    Raises:
        UsageError: no such part; the message lists the alternatives and the nearest.
    """
    if name.endswith(".py"):
        path = (base or Path.cwd()) / name
        if not path.is_file():
            raise UsageError(
                f"{kind} {name!r}: no file at {path}; give a path relative to the run's config"
            )
        return path.resolve()
    if name not in available(kind):
        raise UsageError(
            unknown_name(kind, name, available(kind))
            + f", or a path to your own file ('./my_{kind}.py')"
        )
    return _ROOT / FOLDERS[kind] / f"{name}.py"


def source_digest(kind: str, name: str, base: Path | None = None) -> str:
    """SHA-256 of a part's source text: part of the key of every step that uses it."""
    return digest_bytes(source(kind, name, base).read_bytes())


def load(kind: str, name: str, base: Path | None = None) -> types.ModuleType:
    """Import the one file of a part."""
    path = source(kind, name, base)
    if not name.endswith(".py"):
        return importlib.import_module(f"components.parts.{FOLDERS[kind]}.{name}")
    spec = importlib.util.spec_from_file_location(
        f"concord_user_{path.stem}_{source_digest(kind, name, base)[:8]}", path
    )
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for export in ("Config", "build"):
        if not hasattr(module, export):
            raise UsageError(
                f"{path}: a {kind} file must export `Config` and `build`; {export!r} is missing"
            )
    return module


def configure(kind: str, name: str, options: Mapping[str, object], base: Path | None = None) -> Any:  # noqa: ANN401
    """Build the ``Config`` of a part from YAML options.

    Raises:
        UsageError: unknown options or wrong types, all of them at once, one line each.
    """
    config_type = load(kind, name, base).Config
    hints = typing.get_type_hints(config_type)
    fields = {f.name for f in dataclasses.fields(config_type)}
    problems = [
        unknown_name(f"option of {kind} {name}", key, fields)
        for key in options
        if key not in fields
    ]
    problems += [
        f"option {key!r} of {kind} {name}: got {value!r}, wanted {hints[key]}"
        for key, value in options.items()
        if key in fields and not _fits(value, hints[key])
    ]
    if problems:
        raise UsageError("\n".join(problems))
    return config_type(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401
    """Whether a YAML value can be passed where ``hint`` is declared (int passes for float, list for tuple)."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is typing.Literal:
        return value in args
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(v, args[0]) for v in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint is Any or isinstance(value, origin or hint)
