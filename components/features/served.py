"""Checks, before anything is trained, that a data set has what a labeller or composer needs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.config.composer import ComposerConfig
from components.config.run import Part
from components.core.errors import UsageError, UserError, unknown_name
from components.data.manifest import Manifest
from components.features.categories import CATEGORICAL
from components.features.modality import Modality
from components.features.naming import readers
from components.parts import loading as parts


def check_labeller(
    labeller: Part | None,
    names: Sequence[str],
    build: Callable[[], Mapping[str, Modality]],
    base: Path | None,
) -> None:
    """Refuse a data set that a labeller cannot serve.

    Args:
        labeller: the part; None: nothing to check.
        names: of the modalities.
        build: makes the modalities; called for a labeller that needs names.
        base: folder that a labeller given by path is relative to.

    Raises:
        UserError: it has too few modalities, or no view that reads names of classes.
    """
    if labeller is None:
        return
    module, name = parts.load("labellers", labeller.name, base), labeller.name
    least = getattr(module, "MIN_MODALITIES", 1)
    if len(names) < least:
        raise UserError(
            f"labeller {name}: got the modalities {', '.join(names)}, wanted at least {least};"
            " choose `labeller: soft`, or add a modality to the data set"
        )
    if not getattr(module, "READS_NAMES", False) or readers(built := build()):
        return
    views = ", ".join(view for modality in built.values() for view in modality.encoders)
    raise UserError(
        f"labeller {name}: got the views {views}, wanted one that reads the names of classes: a"
        " text with a dense encoder such as 'minilm', or pictures through an image-text model"
        " (CLIP, SigLIP) by `encoders: [lite, {name: transformers, model: FOLDER}]`; choose"
        " `labeller: soft`, or add such a view under `modalities`"
    )


def check_composer(composer: ComposerConfig | None, manifest: Manifest) -> None:
    """Refuse a data set whose records cannot differ in one field.

    Raises:
        UsageError: the composer names a modality that it lacks.
        UserError: it has one modality, or neither a categorical column nor classes.
    """
    if composer is None:
        return
    names = manifest.modalities
    if len(names) == 1:
        raise UserError(
            f"composer: got a data set of {', '.join(names)} alone, wanted two modalities to"
            " compose; remove `composer`, or add a modality to the manifest"
        )
    for key, name in (("reference", composer.reference), ("text", composer.text)):
        if name not in names:
            raise UsageError(f"composer.{key}: {unknown_name('modality', name, names)}")
    types = {c.type for m in names.values() for c in (m.columns or {}).values()}
    if manifest.target.kind == "none" and types.isdisjoint(CATEGORICAL):
        raise UserError(
            "composer: got a data set without classes and without a column of type category or set,"
            " wanted one in which records differ; remove `composer`, or declare such a column"
        )
