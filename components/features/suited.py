"""Encoders that suit a data set, where its configuration names none.

They are chosen before any step, from the training records, and then stand in the configuration: the
keys of steps, what pods get and what a package carries follow it, as if a user had named them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

from components.config.run import RunConfig
from components.data.manifest import Manifest
from components.data.reader import Dataset, Fault, raws
from components.parts import loading as parts
from components.parts.contracts import Raw
from components.validation.roles import splits_of

_LOOKED_AT = 5_000
"""Records, evenly spaced, that are looked at; of larger sets up to twice as many."""


def with_suited(
    config: RunConfig, manifest: Manifest, base: Path | None = None
) -> tuple[RunConfig, tuple[str, ...]]:
    """The configuration with encoders for modalities that the default ones do not suit.

    A modality whose encoders the configuration names is left alone. No label is read.

    Args:
        config: the run.
        manifest: that of its data set.
        base: folder that a user's own kinds are relative to.

    Returns:
        The configuration, and for each modality that its kind has a word on one line for people.

    Raises:
        UserError: the records do not exist, cannot be read, or lack a column.
    """
    asked = _asked(config, manifest, base)
    if not asked:
        return config, ()
    chosen, told = dict(config.modalities), []
    for name, values in _training_values(config.data.uri, manifest, asked).items():
        if (found := asked[name].suited(values)) is None:
            continue
        encoders, why = found
        told.append(f"{name}: {why}: {' and '.join(encoders)}")
        if encoders != asked[name].ENCODERS:
            chosen[name] = _naming(encoders, chosen.get(name, {}), asked[name])
    return config.model_copy(update={"modalities": chosen}), tuple(told)


def _asked(config: RunConfig, manifest: Manifest, base: Path | None) -> dict[str, ModuleType]:
    """The kinds that may choose, by modality: those of modalities without named encoders."""
    kinds = {
        name: parts.load("kinds", modality.kind, base)
        for name, modality in sorted(manifest.modalities.items())
        if not {"encoders", "encoder"} & config.modalities.get(name, {}).keys()
    }
    return {name: kind for name, kind in kinds.items() if hasattr(kind, "suited")}


def _training_values(
    uri: str, manifest: Manifest, asked: Mapping[str, ModuleType]
) -> dict[str, list[Raw]]:
    """Raw values of some training records, by modality; what cannot be read is passed over."""
    only = {name: manifest.modalities[name] for name in asked}
    found: dict[str, list[Raw]] = {name: [] for name in asked}
    narrowed = manifest.model_copy(update={"modalities": only})
    for batch in _evenly_spaced(Dataset(uri, manifest), narrowed):
        splits = splits_of(batch, manifest)
        faults: list[Fault] = []
        for name, values in raws(batch, narrowed, None, faults).items():
            found[name] += [
                value
                for value, split in zip(values, splits, strict=True)
                if split == "train" and value is not None
            ]
    return found


def _evenly_spaced(dataset: Dataset, manifest: Manifest) -> Iterator[Any]:
    """Batches of every n-th record, with the columns that decide on splits and hold the values."""
    roles = (manifest.id, manifest.group, manifest.split.column)
    columns = [*dict.fromkeys([r for r in roles if r is not None] + manifest.feature_columns)]
    step, first = max(1, dataset.rows // _LOOKED_AT), 0
    for batch in dataset.batches(columns=columns):
        taken = range(-first % step, batch.num_rows, step)
        if taken:
            yield batch.take(list(taken))
        first += batch.num_rows


def _naming(
    encoders: tuple[str, ...], options: Mapping[str, Any], kind: ModuleType
) -> dict[str, Any]:
    """A modality's options with named encoders; options of the default one go to the first."""
    own = {field.name for field in fields(kind.Config)}
    first: dict[str, Any] = {key: value for key, value in options.items() if key not in own}
    named = [{"name": encoders[0], **first} if first else encoders[0], *encoders[1:]]
    return {**{key: value for key, value in options.items() if key in own}, "encoders": named}
