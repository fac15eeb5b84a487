"""The parts that a configuration and its data set choose by name: what shapes each step's key."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from components.config.run import RunConfig
from components.core.errors import UsageError, unknown_name
from components.data.manifest import Manifest
from components.parts import loading
from components.parts.modality_options import modality_options

T = TypeVar("T")
Part = tuple[str, str]
"""Family and name of a part."""
Parts = tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The chosen parts of each family.

    Attributes:
        base: folder that parts given by path are relative to.
        kinds: of all modalities.
        encoders: of all views: those of the configuration, else those that a kind names.
        target: what is predicted.
        projector: of the network.
        fusion: of the network.
        losses: by which the network learns.
        online: what else shapes its steps, of the families ``ssl`` and ``balance``.
        heads: of the committee.
        labellers: at most one.
    """

    base: Path | None
    kinds: Parts
    encoders: Parts
    target: Part
    projector: Parts
    fusion: Parts
    losses: Parts
    online: Parts
    heads: Parts
    labellers: Parts

    @classmethod
    def of(cls, config: RunConfig, manifest: Manifest, base: Path | None) -> Self:
        """What a configuration chooses for a data set.

        Raises:
            UsageError: it names a modality that the data set lacks.
        """
        modalities = [manifest.modalities[name] for name in sorted(manifest.modalities)]
        _hidden_ones_exist(config, manifest)
        return cls(
            base=base,
            kinds=unique(("kinds", modality.kind) for modality in modalities),
            encoders=_encoders(config, manifest, base),
            target=("targets", manifest.target.kind),
            projector=(("projectors", config.model.projector.name),),
            fusion=(("fusion", config.model.fusion.name),),
            losses=tuple(("losses", name) for name in sorted(config.losses)),
            online=_online(config),
            heads=tuple(("heads", head.name) for head in config.model.heads),
            labellers=(("labellers", config.labeller.name),) if config.labeller else (),
        )

    @property
    def views(self) -> Parts:
        """What shapes the features and their labels."""
        return unique((*self.kinds, *self.encoders, self.target))

    @property
    def network(self) -> Parts:
        """What shapes a network; a kind's own code shapes it through the features alone."""
        return unique((*self.encoders, *self.projector, *self.fusion, self.target))

    def libraries(self, parts: Parts) -> tuple[str, ...]:
        """The distributions that some of the parts name."""
        return tuple(
            library
            for family, name in parts
            for library in getattr(loading.load(family, name, self.base), "LIBRARIES", ())
        )


def _hidden_ones_exist(config: RunConfig, manifest: Manifest) -> None:
    """Check the modalities that ``training.modality_dropout`` names."""
    rates = config.training.modality_dropout
    problems = [
        f"training.modality_dropout: {unknown_name('modality', name, manifest.modalities)}"
        for name in (rates if isinstance(rates, dict) else ())
        if name not in manifest.modalities
    ]
    if problems:
        raise UsageError("\n".join(problems))


def _online(config: RunConfig) -> Parts:
    given = (("ssl", config.ssl), ("balance", config.balance))
    return tuple((family, part.name) for family, part in given if part is not None)


def _encoders(config: RunConfig, manifest: Manifest, base: Path | None) -> Parts:
    found = []
    for name, modality in sorted(manifest.modalities.items()):
        options = config.modalities.get(name, {})
        _, chosen = modality_options(modality.kind, options, base)
        found += [("encoders", encoder.name) for encoder in chosen]
    return unique(found)


def unique(given: Iterable[T]) -> tuple[T, ...]:
    """Each once, in the order in which it first comes."""
    return tuple(dict.fromkeys(given))
