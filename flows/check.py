"""Checks, before anything runs, that a configuration and its data set fit each other."""

from pathlib import Path

from components.config.check_parts import check_parts
from components.config.run import RunConfig
from components.data.manifest import Manifest


def check(config: RunConfig, path: Path, manifest: Manifest) -> None:
    """Import the chosen parts and check their options, and what they need of the data set.

    Args:
        config: the run.
        path: its file; parts given by path are relative to the folder.
        manifest: that of the data set.

    Raises:
        UserError: wrong options, all of them at once, or a part that the data set cannot serve.
    """
    kinds = {name: modality.kind for name, modality in manifest.modalities.items()}
    check_parts(config, path, kinds)
    # The encoders' code is imported by now.
    from components.features.modality import build_modalities
    from components.features.served import check_composer, check_labeller

    check_composer(config.composer, manifest)
    base = path.resolve().parent
    check_labeller(
        config.labeller,
        sorted(kinds),
        lambda: build_modalities(manifest, config.modalities, base),
        base,
    )
