"""A user's own parts: files of the same shape as ours, named by path.

They must be in or below the folder of the run's configuration. A pod or package works with a copy
of them and opens nothing outside the folder that holds it.
"""

import ast
import os
import sys
import traceback
import types
from pathlib import Path, PurePosixPath

from components.core.errors import UsageError, UserError
from components.core.refs import digest_bytes

OWN = "parts"
"""Folder in a step's output or a package with copies of a user's own files, under their names."""


_PREFIX = "concord_own_"
"""Of the modules that users' files become."""
_PACKAGE = Path(__file__).parents[1]


def is_own(name: str) -> bool:
    """Whether a part's name is the path of a user's own file."""
    return name.endswith(".py")


def source(noun: str, name: str, base: Path | None) -> Path:
    """A user's own file, below ``base``: pods and packages carry nothing from outside it."""
    if base is None:
        raise UsageError(f"{noun} {name!r}: own files need the folder of the run's configuration")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UsageError(
            f"{noun} {name!r}: got a path that leaves the folder of the configuration,"
            f" wanted a file in {base}; copy it there"
        )
    path = base / name
    if not path.is_file():
        raise UsageError(
            f"{noun} {name!r}: no file at {path}; give a path relative to the run's configuration"
        )
    return path.resolve()


def imported(path: Path) -> types.ModuleType:
    """Import a user's own file, once as long as its text stays the same.

    Raises:
        UsageError: it cannot be imported; the message names the line.
    """
    text = path.read_bytes()
    name = f"{_PREFIX}{path.stem}_{digest_bytes(str(path).encode() + text)[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(path)
    # Dataclasses and pydantic look a class's module up by name.
    sys.modules[name] = module
    try:
        _refuse_neighbours(path, ast.parse(text))
        # Not by importlib: its cache of bytecode misses an edit that keeps size and second.
        exec(compile(text, path, "exec"), module.__dict__)  # noqa: S102
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, UsageError):
            raise
        line = _line(error, path)
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(
            f"{path}{f':{line}' if line else ''}: cannot be imported:"
            f" {type(error).__name__}: {what}"
        ) from error
    return module


def blamed(error: BaseException) -> UserError | None:
    """The sentence for an error that a user's own file raised; None where the code is Concord's.

    The deepest frame that is not a library's decides: a wrong call of torch is the caller's fault.
    """
    own = {str(m.__file__) for name, m in list(sys.modules.items()) if name.startswith(_PREFIX)}
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename in own or f.filename.startswith(f"{_PACKAGE}{os.sep}")]
    if not ours or ours[-1].filename not in own:
        return None
    place, what = ours[-1], " ".join(str(error).split())
    return UserError(f"{place.filename}:{place.lineno}: {type(error).__name__}: {what}")


def _line(error: Exception, path: Path) -> int | None:
    """The line of a user's file that an error comes from."""
    if isinstance(error, SyntaxError) and error.filename in (str(path), "<unknown>"):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == str(path)), None)


def _refuse_neighbours(path: Path, tree: ast.Module) -> None:
    """Refuse an import of a file beside the part: only the part itself travels."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [""] if node.level else [str(node.module)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if not name or (path.parent / f"{name.partition('.')[0]}.py").is_file():
                raise UsageError(
                    f"{path}:{node.lineno}: imports a file beside it, which does not travel to pods"
                    " and into packages; move that code into this file or into an installed package"
                )
