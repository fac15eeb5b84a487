"""The options of a modality, divided among its kind and its encoders."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.core.errors import UsageError, unknown_name
from components.parts.loading import load


def modality_options(
    kind: str, options: Mapping[str, Any], base: Path | None = None
) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Split the options of a modality into those of its kind, and its encoders with theirs.

    ``encoders`` is a name, a name with options, or a list of both; without it the kind chooses. A
    modality with one encoder may have that encoder's options beside its kind's, and one without
    ``encoders`` those of the first encoder that its kind chooses.

    >>> modality_options("text", {"encoders": ["minilm", {"name": "hashing", "buckets": 64}]})
    ({}, [('minilm', {}), ('hashing', {'buckets': 64})])
    >>> modality_options("image", {"size": [8, 8], "max_bytes": 100})
    ({'max_bytes': 100}, [('cnn', {'size': [8, 8]}), ('lite', {})])

    Args:
        kind: name of the part that decodes.
        options: the modality's options in the configuration.
        base: folder that a user's own files are relative to.

    Raises:
        UsageError: an encoder has no name, or an option is given in two places.
    """
    module = load("kinds", kind, base)
    own = {key: value for key, value in options.items() if key != "encoders"}
    if "encoder" in own:
        raise UsageError(f"{unknown_name('option', 'encoder', ['encoders'])}, a name or a list")
    given = options.get("encoders", list(module.ENCODERS))
    encoders = [_named(one) for one in (given if isinstance(given, list) else [given])]
    if not encoders:
        raise UsageError("encoders: got [], wanted at least one")
    known = {name: _encoder_options(name, kind, module.RAW, base) for name, _ in encoders}
    limits = {field.name for field in dataclasses.fields(module.Config)}
    direct = {key: value for key, value in own.items() if key not in limits}
    first, chosen = encoders[0]
    takes = known[first] if len(known) == 1 or "encoders" not in options else set()
    if problems := [_misplaced(key, kind, limits, known) for key in direct if key not in takes]:
        raise UsageError("\n".join(problems))
    if twice := sorted(direct.keys() & chosen.keys()):
        raise UsageError(f"option {twice[0]!r}: given for the modality and for its encoder")
    encoders[0] = first, direct | chosen
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


def _named(given: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
    """Name and options of an encoder, from its name or from a mapping."""
    options = {"name": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping) or not isinstance(options.get("name"), str):
        raise UsageError(f"encoders: got {given!r}, wanted a name, or a mapping with `name`")
    return options["name"], {k: v for k, v in options.items() if k != "name"}
