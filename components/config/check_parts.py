"""The parts that a run chooses, checked with their options and for its data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.config.chosen_parts import ChosenPart, chosen_parts
from components.config.run import RunConfig
from components.core.errors import UserError, unknown_name
from components.core.strict import all_at_once
from components.parts import loading as parts
from components.parts.modality_options import modality_options
from components.parts.own import is_own


def check_parts(config: RunConfig, path: Path, kinds: Mapping[str, str]) -> None:
    """Import the chosen parts and check their options (this imports torch).

    Args:
        config: the run.
        path: its file; parts given by path are relative to the folder.
        kinds: modality name to kind, from the data set's manifest.

    Raises:
        UsageError: every wrong option, and every loss that the data set has too few modalities for,
            one line each.
    """
    base, chosen = path.resolve().parent, chosen_parts(config.model_dump())
    problems: list[str] = [
        f"modalities: {unknown_name('modality', name, kinds)} (those of the data set's manifest)"
        for name in config.modalities
        if name not in kinds
    ]
    for name, kind in kinds.items():
        where = f"modalities.{name}"
        try:
            chosen += _of_modality(where, kind, config.modalities.get(name, {}), base)
        except UserError as error:
            problems.append(f"{where}: {error}")
    for part in chosen:
        try:
            parts.load(part.family, part.name, base)
        except UserError as error:
            problems.append(f"{part.where}: {error}")
            continue
        try:
            parts.configure(part.family, part.name, part.options, base, part.where)
        except UserError as error:
            problems += str(error).splitlines()
    problems += _too_few(config, kinds, base)
    if problems or (problems := _unsuited(config, kinds, base)):
        raise all_at_once(path, problems)


def _too_few(config: RunConfig, kinds: Mapping[str, str], base: Path) -> list[str]:
    """Parts that need more modalities than there are; the default losses leave their own out."""
    usual = RunConfig.model_fields["losses"].get_default(call_default_factory=True)
    asking = [("model.projector", "projectors", config.model.projector.name)]
    if config.balance is not None:
        asking.append(("balance", "balance", config.balance.name))
    if config.losses != usual:
        weighted = [name for name, options in config.losses.items() if options.get("weight", 1)]
        asking += [(f"losses.{name}", "losses", name) for name in weighted]
    found = []
    for where, family, name in asking:
        try:
            needed = getattr(parts.load(family, name, base), "MIN_MODALITIES", 1)
        except UserError:  # told already
            continue
        if len(kinds) < needed:
            found.append(
                f"{where}: {name}: got a data set of {', '.join(kinds)} alone, wanted at least "
                f"{needed} modalities to compare; choose another {parts.FAMILIES[family]}, or add "
                "a modality to the manifest"
            )
    return found


def _unsuited(config: RunConfig, kinds: Mapping[str, str], base: Path) -> list[str]:
    """Why parts cannot serve a run: they may export ``unsuited``, and a loss ``FUSIONS``."""
    fusion = config.model.fusion.name
    why = fusion_unsuited(fusion, config.losses, len(kinds), base)
    found = [f"model.fusion: {why}"] if why else []
    for name, options in config.losses.items():
        module = parts.load("losses", name, base)
        own = {key: value for key, value in options.items() if key != "weight"}
        asked = getattr(module, "unsuited", None)
        if asked and (why := asked(parts.configure("losses", name, own, base), list(kinds))):
            found.append(f"losses.{name}.{why}")
        wanted = getattr(module, "FUSIONS", (fusion,))
        if fusion not in wanted and not is_own(fusion):
            found.append(
                f"losses.{name}: got the fusion {fusion}, whose output it cannot read; wanted"
                f" `model: {{fusion: {wanted[0]}}}`, or {' or '.join(wanted[1:])}"
            )
    return found


def fusion_unsuited(
    name: str, losses: Mapping[str, Mapping[str, Any]], modalities: int, base: Path | None
) -> str | None:
    """Why a fusion cannot serve a run with these losses; None if it can."""
    unsuited = getattr(parts.load("fusion", name, base), "unsuited", None)
    why: str | None = unsuited(losses, modalities) if unsuited else None
    return why


def _of_modality(where: str, kind: str, options: Mapping[str, Any], base: Path) -> list[ChosenPart]:
    """The kind and the encoders of a modality.

    Raises:
        UsageError: the kind or an encoder cannot be loaded, or an encoder has no name.
    """
    limits, encoders = modality_options(kind, options, base)
    place = f"{where}.encoders" if "encoders" in options else where
    return [
        ChosenPart(where, "kinds", kind, limits),
        *(ChosenPart(place, "encoders", one.name, one.options) for one in encoders),
    ]
