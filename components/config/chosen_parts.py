"""The parts that a run's YAML names, found in it without importing them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.core.errors import UsageError
from components.parts import loading as parts

OF_LOOP = ("weight", "ratio")
"""Options of ``ssl`` that the training loop reads, whatever the part."""


class ChosenPart(NamedTuple):
    """A part that a run's YAML names."""

    where: str
    """Path of the part in the YAML."""
    family: str
    name: str
    options: dict[str, Any]


def chosen_parts(tree: Mapping[str, Any]) -> list[ChosenPart]:
    """All parts that a run's YAML names; kinds are named by the data set's manifest.

    Args:
        tree: the YAML, or some of its sections. It may be unchecked: sections of a wrong shape are
            passed over.
    """
    model, losses = tree.get("model"), tree.get("losses")
    of_model = model if isinstance(model, dict) else {}
    single = {
        ("model.projector", "projectors"): of_model.get("projector"),
        ("model.fusion", "fusion"): of_model.get("fusion"),
        ("labeller", "labellers"): tree.get("labeller"),
        ("ssl", "ssl"): tree.get("ssl"),
        ("balance", "balance"): tree.get("balance"),
        ("index", "index"): tree.get("index"),
    }
    heads = model.get("heads") if isinstance(model, dict) else None
    every = list(single.items())
    for number, head in enumerate(heads if isinstance(heads, list) else []):
        every.append(((f"model.heads[{number}]", "heads"), head))
    found = []
    for (where, family), part in every:
        options = dict(part) if isinstance(part, dict) else {"name": part}
        if family == "ssl":
            options = {k: v for k, v in options.items() if k not in OF_LOOP}
        if isinstance(name := options.pop("name", None), str):
            found.append(ChosenPart(where, family, name, options))
    for name, given in losses.items() if isinstance(losses, dict) else ():
        options = dict(given) if isinstance(given, dict) else {}
        options.pop("weight", None)
        found.append(ChosenPart(f"losses.{name}", "losses", str(name), options))
    return found


def unknown_parts(tree: Mapping[str, Any], base: Path) -> list[str]:
    """Unknown names of parts, found without importing any part."""
    problems = []
    for part in chosen_parts(tree):
        try:
            parts.source(part.family, part.name, base)
        except UsageError as error:
            problems.append(f"{part.where}: {error}")
    return problems
