"""What a training pod runs: ``python -m components.pods.entry --config X/jobs/JOB/spec.json --out X/jobs/JOB``.

Everything comes by URI and digest and is verified; nothing here knows an orchestrator, a registry or a service. How it ends
says an exit code of ``components.pods.exit_codes``.
"""

import os
import sys
from pathlib import Path

from components.core.errors import UserError
from components.core.progress import Log, Progress, silent, unlogged
from components.core.refs import Ref, digest_folder
from components.pods import exit_codes as exits
from components.pods.pod import Parser, Pod, Stop, ended
from components.training.spec import TrainSpec


def run(
    spec: TrainSpec,
    *,
    out: Path,
    checkpoints: Path | None = None,
    log: Log = unlogged,
    progress: Progress = silent,
) -> dict[str, int]:
    """Do one training task in this process, on local inputs.

    Args:
        spec: the task and its inputs.
        out: an empty folder; see ``components.training.tasks`` for what it takes.
        checkpoints: a folder that survives a kill; the same spec then goes on where it stopped.
        log: takes figures of each epoch.
        progress: told after every step.

    Returns:
        Optimiser steps behind the result (``steps``), and how many of them an interrupted run had done (``resumed_from``).

    Raises:
        UserError: an input is missing or not what its digest says, or there is nothing to learn from.
    """
    from components.features.store import Features
    from components.training import tasks
    from components.training.checkpoint import Folder

    trainer = tasks.Trainer(
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
        UserError: nothing there, or other content than the digest says.
    """
    if not ref.path.is_dir():
        raise UserError(f"{name}: no folder at {ref.uri}; run the step that writes it")
    digest = digest_folder(ref.path)
    if digest != ref.digest:
        raise UserError(
            f"{name}: {ref.uri} holds other content (digest {digest[:12]}) than was asked for ({ref.digest[:12]}); "
            "run the step that writes it again"
        )
    return ref.path


def main(arguments: list[str] | None = None) -> int:
    """Do a job of an exchange, and put the result under this attempt's token; figures go to standard error as JSON lines."""
    stop = Stop()
    stop.listen()

    def work() -> int:
        given = Parser("python -m components.pods.entry", main.__doc__).parse_args(arguments)
        pod = Pod.read()
        pod.preflight()
        from components.pods.attempt import attempt  # torch: after all that can be said without it

        attempt(given.config, given.out, pod, stop)
        return exits.DONE

    return ended(work)


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as stopped:  # by a signal, before the first step
        code = int(stopped.code or 0)
    if code and "RANK" in os.environ:
        # One of several ranks: nothing may delay its end, by which the launcher tells a cause from its consequences.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
