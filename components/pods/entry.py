"""What a pod runs: ``python -m components.pods.entry --config X/jobs/J/spec.json --out X/jobs/J``.

The task of the spec selects the work: a training task, or one part of a data set. Everything comes
by URI and digest and is verified, the spec by the seal in the command; nothing here knows an
orchestrator, a registry or a service. The exit code (``components.pods.exit_codes``) reports how
it ended.
"""

import os
import sys
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from components.core.errors import UsageError, UserError
from components.exchange.errors import ExchangeError
from components.exchange.exchange import Exchange, split
from components.pods import exit_codes
from components.pods.handover import opened
from components.pods.pod import Parser, Pod, Stop, ended
from components.shards.spec import ShardSpec
from components.training.spec import TrainSpec

_SPEC: TypeAdapter[TrainSpec | ShardSpec] = TypeAdapter(
    Annotated[TrainSpec | ShardSpec, Field(discriminator="task")]
)


def main(arguments: list[str] | None = None) -> int:
    """Do a job of an exchange and store the result under this attempt's token.

    Progress and figures go to standard error as JSON lines.
    """
    stop = Stop()
    stop.listen()

    def work() -> int:
        given = Parser("python -m components.pods.entry", main.__doc__).parse_args(arguments)
        pod = Pod.read()
        pod.preflight()
        perform(given.config, given.out, pod, stop, given.seal)
        return exit_codes.DONE

    return ended(work)


def perform(config: str, out: str, pod: Pod, stop: Stop, seal: str | None = None) -> None:
    """Do what a spec asks for.

    Args:
        config: URI of the spec.
        out: URI of the job.
        pod: name and means of this attempt.
        stop: whether a signal has asked it to stop.
        seal: what the spec's seal must be; None accepts any.

    Raises:
        UsageError: a wrong URI or spec.
        ExchangeError: no spec there.
        UserError: inputs that are missing or damaged.
        Interrupted: stopped by a signal, with a checkpoint written.
    """
    exchange, job = opened(out)
    spec = _read(config)
    if seal is not None and spec.seal() != seal:
        raise UserError(
            f"--config: the spec at {config} is not the one that was submitted (seal "
            f"{spec.seal()[:12]}, wanted {seal[:12]}); find out who wrote it, delete the job's "
            "folder and submit the run again"
        )
    # Imported last: they import torch, and the errors above must not wait for it.
    if isinstance(spec, TrainSpec):
        from components.pods.attempt import attempt

        attempt(spec, exchange, job, pod, stop)
    else:
        from components.pods.part import do_part

        do_part(spec, exchange, job, pod)


def _read(config: str) -> TrainSpec | ShardSpec:
    root, below = split(config)
    if not root:
        raise UsageError(f"--config: got {config}, wanted EXCHANGE/jobs/JOB/spec.json")
    try:
        return _SPEC.validate_json(Exchange(root).read(below))
    except FileNotFoundError as error:
        # The mount may be missing on this node, or a shared folder may show new files late.
        raise ExchangeError(
            f"--config: nothing at {config}; check that the exchange is mounted, "
            "or submit the run again"
        ) from error
    except ValidationError as error:
        raise UsageError(f"--config: {config} is not a valid spec: {error}") from error


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as stopped:  # by a signal, before the first step
        code = int(stopped.code or 0)
    if code and "RANK" in os.environ:
        # One of several ranks: the launcher tells a cause from its consequences by which rank ends
        # first, so nothing may delay the exit.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
