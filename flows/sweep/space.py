"""What a sweep may change in a configuration: views, labeller, fusion and the network's settings.

The first choice of every setting is the configuration's own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from components.config.check_parts import fusion_unsuited
from components.config.run import RunConfig
from components.core.errors import UserError
from components.data.manifest import Manifest
from components.data.modality import Modality
from components.features.modality import build_modality
from components.parts import loading as parts
from components.parts.modality_options import ChosenEncoder, modality_options

Chosen = dict[str, str]
"""Name of each setting to the name of a choice."""

_NUMBERS: dict[tuple[str, str], tuple[float, ...]] = {
    ("model", "dim"): (64, 128, 256),
    ("model", "dropout"): (0.0, 0.1, 0.3),
    ("training", "epochs"): (5, 10, 20, 40),
    ("training", "learning_rate"): (5e-4, 1e-3, 2e-3, 4e-3, 8e-3),
    ("training", "modality_dropout"): (0.0, 0.2, 0.4),
}
"""Settings of the network, with values around the defaults of ``components.config.run``."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One place in the YAML, and what may stand there.

    Attributes:
        path: keys from the root of the YAML.
        choices: name of each choice to its value; the first one is the configuration's own.
    """

    path: tuple[str, ...]
    choices: dict[str, Any]

    @property
    def name(self) -> str:
        """The path as messages show it."""
        return ".".join(self.path)

    @property
    def own(self) -> str:
        """Name of the configuration's own choice."""
        return next(iter(self.choices))


def space(
    config: RunConfig,
    manifest: Manifest,
    base: Path,
    *,
    used: Mapping[str, Sequence[str]],
    network: bool,
) -> tuple[Setting, ...]:
    """Every setting that has at least two choices.

    Args:
        config: the configuration.
        manifest: that of its data set.
        base: folder that a user's own parts are relative to.
        used: modality name to its views now: where no encoder is named, of those that suit its
            values.
        network: whether held-out records can judge the network; if not, what shapes it alone is
            left out.
    """
    own = config.labeller
    others = _labellers(len(manifest.modalities)) if network else []
    labellers = [own.name if own else None, *others]
    labellers += [None if own else "soft"]
    found = [
        *(
            _views(name, modality, config, used[name], base)
            for name, modality in sorted(manifest.modalities.items())
        ),
        Setting(path=("labeller",), choices={name or "none": name for name in labellers}),
    ]
    if network and len(manifest.modalities) > 1:
        fusions = [
            name
            for name in parts.available("fusion")
            if not fusion_unsuited(name, config.losses, len(manifest.modalities), base)
        ]
        fusions = [config.model.fusion.name, *fusions]
        found.append(Setting(path=("model", "fusion"), choices={name: name for name in fusions}))
    for (block, key), values in _NUMBERS.items() if network else ():
        current = getattr(getattr(config, block), key)
        first = "as it is" if isinstance(current, dict) else f"{current:g}"
        choices = {first: current, **{f"{value:g}": value for value in values}}
        found.append(Setting(path=(block, key), choices=choices))
    return tuple(setting for setting in found if len(setting.choices) > 1)


def _labellers(modalities: int) -> list[str]:
    """Those that serve any views of this number of modalities: none that must read names."""
    modules = {name: parts.load("labellers", name) for name in parts.available("labellers")}
    return [
        name
        for name, module in modules.items()
        if getattr(module, "MIN_MODALITIES", 1) <= modalities
        and not getattr(module, "READS_NAMES", False)
    ]


def default(settings: Sequence[Setting]) -> Chosen:
    """The choices of the configuration itself."""
    return {setting.name: setting.own for setting in settings}


def changes(settings: Sequence[Setting], chosen: Mapping[str, str]) -> Chosen:
    """The choices that are not the configuration's own."""
    return {s.name: chosen[s.name] for s in settings if chosen[s.name] != s.own}


def changed(
    tree: Mapping[str, Any], settings: Sequence[Setting], chosen: Mapping[str, str]
) -> dict[str, Any]:
    """A configuration's YAML with other choices.

    Args:
        tree: the YAML; what is not chosen otherwise stays as it is.
        settings: of the space.
        chosen: a choice of each.
    """
    found = deepcopy(dict(tree))
    for setting in settings:
        choice = chosen[setting.name]
        if choice == setting.own:
            continue
        place = found
        for key in setting.path[:-1]:
            place = place.setdefault(key, {})
        place[setting.path[-1]] = setting.choices[choice]
    return found


def _views(
    name: str, modality: Modality, config: RunConfig, used: Sequence[str], base: Path
) -> Setting:
    """Which fixed encoders read a modality; those that are trained stay as they are."""
    options = config.modalities.get(name, {})
    limits, own = modality_options(modality.kind, options, base)
    columns = modality.model_dump(mode="json", by_alias=True)
    named = {one.view_name: one for one in own}
    given = {view: named.get(view, ChosenEncoder(view, {})) for view in used}
    others = [each for each in _readers(modality.kind, base) if each not in given]
    every = given | {each: ChosenEncoder(each, {}) for each in others}
    fixed = {
        view: sparse
        for view, one in every.items()
        if (sparse := _sparse(name, modality.kind, one, given.values(), columns, base)) is not None
    }
    trained = [view for view in given if view not in fixed]
    choices = {_joined(v for v in given if v in fixed) or "as it is": options}
    for chosen in _subsets(list(fixed)):
        if not trained and all(fixed[view] for view in chosen):
            continue  # the network reads no sparse view
        encoders = [_written(every[view]) for view in (*trained, *chosen)]
        choices.setdefault(_joined(chosen), {**limits, "encoders": encoders})
    return Setting(path=("modalities", name), choices=choices)


def _readers(kind: str, base: Path) -> Iterator[str]:
    """Encoders of the package that read a kind."""
    for name in parts.available("encoders"):
        try:
            modality_options(kind, {"encoders": name}, base)
        except UserError:
            continue
        yield name


def _sparse(
    name: str,
    kind: str,
    one: ChosenEncoder,
    given: Iterable[ChosenEncoder],
    columns: Mapping[str, Any],
    base: Path,
) -> bool | None:
    """Whether the view of a fixed encoder is sparse; None of one that is trained or missing."""
    dense = next((each for each in given if each.view_name != one.view_name), None)
    try:
        encoders = [_written(one)]
        try:
            built = build_modality(name, kind, {"encoders": encoders}, columns, base)
        except UserError:  # a sparse view does not stand alone
            if dense is None:
                raise
            encoders.append(_written(dense))
            built = build_modality(name, kind, {"encoders": encoders}, columns, base)
    except UserError:
        return None
    view = built.spec.views[0]
    if view.sparse:
        return True
    return False if built.encoders[f"{name}/{view.name}"].network().light_dim else None


def _subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(names) + 1):
        yield from combinations(names, size)


def _joined(names: Iterator[str] | tuple[str, ...]) -> str:
    return "+".join(sorted(names))


def _written(one: ChosenEncoder) -> str | dict[str, Any]:
    """An encoder as YAML has it."""
    more = ({"view": one.view} if one.view else {}) | one.options
    return {"name": one.name, **more} if more else one.name
