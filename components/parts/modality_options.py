"""The options of a modality, divided among its kind and its encoders."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from components.core.errors import UsageError, unknown_name
from components.parts.loading import load
from components.parts.own import is_own

_VIEW = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class ChosenEncoder(NamedTuple):
    """An encoder that a modality names."""

    name: str
    options: dict[str, Any]
    view: str = ""
    """Name of its view; empty: the encoder's own."""

    @property
    def view_name(self) -> str:
        """The view's name: that of the encoder, without folder and suffix, where none is given."""
        return self.view or (PurePosixPath(self.name).stem if is_own(self.name) else self.name)


def modality_options(
    kind: str, options: Mapping[str, Any], base: Path | None = None
) -> tuple[dict[str, Any], list[ChosenEncoder]]:
    """Split the options of a modality into those of its kind, and its encoders with theirs.

    ``encoders`` is a name, a name with options, or a list of both; without it the kind chooses. An
    encoder that stands there more than once takes a ``view`` too, the name of each of its views. A
    modality with one encoder may have that encoder's options beside its kind's, and one without
    ``encoders`` those of the first encoder that its kind chooses.

    >>> limits, encoders = modality_options("image", {"size": [8, 8], "max_bytes": 100})
    >>> limits, encoders[0].name, encoders[0].options, encoders[1].name
    ({'max_bytes': 100}, 'cnn', {'size': [8, 8]}, 'lite')
    >>> more = ["minilm", {"name": "hashing", "view": "few", "buckets": 64}]
    >>> [one.view_name for one in modality_options("text", {"encoders": more})[1]]
    ['minilm', 'few']

    Args:
        kind: name of the part that decodes.
        options: the modality's options in the configuration.
        base: folder that a user's own files are relative to.

    Raises:
        UsageError: an encoder has no name, two views have the same, or an option is given in two
            places.
    """
    module = load("kinds", kind, base)
    own = {key: value for key, value in options.items() if key != "encoders"}
    if "encoder" in own:
        raise UsageError(f"{unknown_name('option', 'encoder', ['encoders'])}, a name or a list")
    given = options.get("encoders", list(module.ENCODERS))
    encoders = [_named(one) for one in (given if isinstance(given, list) else [given])]
    if not encoders:
        raise UsageError("encoders: got [], wanted at least one")
    _check_views(encoders)
    known = {one.name: _encoder_options(one.name, kind, module.RAW, base) for one in encoders}
    limits = {field.name for field in dataclasses.fields(module.Config)}
    direct = {key: value for key, value in own.items() if key not in limits}
    first = encoders[0]
    alone = len(encoders) == 1 or "encoders" not in options
    takes = known[first.name] if alone else set()
    if problems := [_misplaced(key, kind, limits, known) for key in direct if key not in takes]:
        raise UsageError("\n".join(problems))
    if twice := sorted(direct.keys() & first.options.keys()):
        raise UsageError(f"option {twice[0]!r}: given for the modality and for its encoder")
    encoders[0] = first._replace(options=direct | first.options)
    return {key: value for key, value in own.items() if key in limits}, encoders


def _encoder_options(name: str, kind: str, raw: str, base: Path | None) -> set[str]:
    """Names of the options of an encoder, which must read the kind.

    Raises:
        UsageError: it cannot be loaded, or reads another kind.
    """
    module = load("encoders", name, base)
    read = (module.KIND,) if isinstance(module.KIND, str) else module.KIND
    if not {kind, PurePosixPath(kind).stem, raw} & {*read}:
        raise UsageError(
            f"encoder {name!r} reads {' or '.join(map(repr, read))}, wanted one that reads the kind"
            f" {kind!r} "
            f"or its raw values, {raw!r}"
        )
    return {field.name for field in dataclasses.fields(module.Config)}


def _misplaced(key: str, kind: str, limits: set[str], known: Mapping[str, set[str]]) -> str:
    """Why an option cannot stand beside a kind's own."""
    if owner := next((name for name, options in known.items() if key in options), None):
        return (
            f"option {key!r} is one of an encoder; with several of them, give it there: "
            f"{{name: {owner}, {key}: ...}}"
        )
    what = f"option of kind {kind} and encoder{'s' * (len(known) > 1)} {', '.join(known)}"
    return unknown_name(what, key, limits.union(*known.values()))


def _check_views(encoders: Sequence[ChosenEncoder]) -> None:
    """Check that every view has a name of its own."""
    names = [one.view_name for one in encoders]
    if (twice := next((one for one in encoders if names.count(one.view_name) > 1), None)) is None:
        return
    raise UsageError(
        f"encoders: got the view {twice.view_name!r} more than once, wanted a name for each:"
        f" `{{name: {twice.name}, view: NAME, ...}}`"
    )


def _named(given: Any) -> ChosenEncoder:  # noqa: ANN401
    """An encoder from its name or from a mapping."""
    options = {"name": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping) or not isinstance(options.get("name"), str):
        raise UsageError(f"encoders: got {given!r}, wanted a name, or a mapping with `name`")
    view = options.get("view", "")
    if "view" in options and not (isinstance(view, str) and _VIEW.fullmatch(view)):
        raise UsageError(
            f"encoders: got the view {view!r}, wanted a name of lower case letters, digits, '-' and"
            " '_'"
        )
    own = {key: value for key, value in options.items() if key not in ("name", "view")}
    return ChosenEncoder(options["name"], own, view)
