"""One training task in this process, on local inputs."""

from pathlib import Path

from components.core.errors import UserError
from components.core.progress import Log, Progress, silent, unlogged
from components.core.refs import Ref, digest_folder
from components.training.spec import TrainSpec


def run(
    spec: TrainSpec,
    *,
    out: Path,
    checkpoints: Path | None = None,
    log: Log = unlogged,
    progress: Progress = silent,
) -> dict[str, int]:
    """Do one training task in this process.

    Args:
        spec: the task and its inputs.
        out: an empty folder; ``student`` and ``baselines`` list what is written there.
        checkpoints: a folder of this task alone, which survives a kill; the task resumes from it.
        log: receives the figures of each epoch.
        progress: called after every step.

    Returns:
        Optimiser steps behind the result (``steps``), and how many of them an interrupted run had
        done (``resumed_from``).

    Raises:
        UserError: an input is missing or differs from its digest, or no record has a label.
    """
    from components.features.store import Features
    from components.training import tasks
    from components.training.checkpoint import Folder
    from components.training.trainer import Trainer

    trainer = Trainer(
        spec=spec,
        features=Features.load(verified("features", spec.features)),
        checkpoints=Folder(checkpoints) if checkpoints else None,
        log=log,
        progress=progress,
    )
    tasks.perform(trainer, lambda name: verified(name, spec.needed(name)), out)
    return {"steps": trainer.steps, "resumed_from": trainer.resumed}


def verified(name: str, ref: Ref) -> Path:
    """The local folder behind a reference.

    Raises:
        UserError: it does not exist, or its content has another digest.
    """
    if not ref.path.is_dir():
        raise UserError(f"{name}: no folder at {ref.uri}; run the step that writes it")
    digest = digest_folder(ref.path)
    if digest != ref.digest:
        raise UserError(
            f"{name}: {ref.uri} holds other content (digest {digest[:12]}) than was asked for "
            f"({ref.digest[:12]}); run the step that writes it again"
        )
    return ref.path
