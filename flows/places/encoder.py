"""Where records are encoded: in this process, or in parts as the indexes of a Job."""

from pathlib import Path
from typing import Any

from components.config.trainer import KubernetesTrainer, LocalTrainer
from components.core.progress import Cleanup, Progress, Say
from components.core.refs import Ref


def encode(
    *,
    accepted: Ref,
    data: Ref,
    modalities: dict[str, dict[str, Any]],
    step: str,
    cache: Path,
    out: Path,
    base: Path | None = None,
    progress: Progress,
    trainer: LocalTrainer | KubernetesTrainer,
    run: str,
    say: Say,
) -> Cleanup | None:
    """Encode accepted records; one shard, the default, is encoded here, beside the feature cache.

    Args:
        accepted: output of validate.
        data: the data set.
        modalities: options of each modality.
        step: digest of the step's key; parts of a Job belong to it.
        cache: folder of caches.
        out: an empty folder for the features.
        base: folder that a user's own files are relative to.
        progress: called as records are encoded.
        trainer: where, and in how many parts.
        run: id of the run.
        say: receives messages for the user.

    Returns:
        What to call once the features are stored.

    Raises:
        UserError: a wrong option, missing media, or missing parts.
    """
    if isinstance(trainer, LocalTrainer) or trainer.shards == 1:
        from components.features.encode import encode as encode_here

        encode_here(
            accepted=accepted.path,
            data_uri=data.uri,
            modalities=modalities,
            cache=cache / "features",
            out=out,
            base=base,
            progress=progress,
        )
        return None
    from components.features.encode import Accepted
    from components.features.modality import build_modalities
    from components.shards.join import join_features
    from components.shards.plan import EncodePlan
    from flows.places import shards

    # Wrong options raise before anything is submitted.
    build_modalities(Accepted.open(accepted.path).manifest, modalities, base)
    plan = EncodePlan(
        accepted=accepted,
        data=data,
        step=step,
        modalities=modalities,
        base=base,
        shards=trainer.shards,
    )
    parts = shards.run(
        plan, trainer=trainer, run_id=run, scratch=cache / "shards", progress=progress, say=say
    )
    join_features(
        accepted=accepted.path,
        modalities=modalities,
        chunks=parts.folders,
        out=out,
        base=base,
        progress=progress,
    )
    return parts.clean
