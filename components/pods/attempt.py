"""One attempt at a job: inputs from the exchange to the local disk, the training, the result under the attempt's token."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.core.errors import UsageError
from components.core.refs import Ref
from components.exchange.exchange import Exchange, ExchangeError, split
from components.features.store import Features
from components.pods.code import code_digest
from components.pods.handover import already_done, opened
from components.pods.pod import Lines, Pod, Stop
from components.training import tasks
from components.training.checkpoint import Fenced
from components.training.distributed import Shared, World, joined
from components.training.loop import Control, placed
from components.training.spec import TrainSpec


def attempt(config: str, out: str, pod: Pod, stop: Stop) -> None:
    """Do a job that no attempt has finished yet.

    Args:
        config: URI of the spec.
        out: URI of the job.
        pod: what this attempt is called and may use.
        stop: whether it is asked to stop.

    Raises:
        UsageError: a spec that cannot be done.
        ExchangeError: no spec.
        UserError: inputs that are damaged, or nothing to learn from.
        Interrupted: it was asked to stop and wrote a checkpoint.
    """
    exchange, job = opened(out)
    together = (
        "RANK" in os.environ
    )  # then the ranks must agree on it: a shared folder may show it to one before the other
    if not together and already_done(exchange, job):
        return
    began = time.monotonic()
    spec = _local(_spec(config), pod, exchange)
    with joined(spec.training.device) as world, tempfile.TemporaryDirectory() as temporary:
        if together and world.any(world.rank == 0 and already_done(exchange, job)):
            return
        trainer = _trainer(spec, Shared(Fenced(exchange, job, pod.token), world), pod, stop, world)
        tasks.perform(trainer, lambda name: spec.needed(name).path, Path(temporary))
        if world.rank == 0:
            about = {**_figures(trainer, world), "seconds": round(time.monotonic() - began, 3)}
            exchange.put_attempt(job, pod.token, Path(temporary), about)
            sys.stdout.write(
                json.dumps({name: value for name, value in about.items() if name != "history"})
                + "\n"
            )
        world.broadcast(b"")  # no rank is done before the result is written


def _spec(config: str) -> TrainSpec:
    root, below = split(config)
    if not root:
        raise UsageError(f"--config: got {config}, wanted EXCHANGE/jobs/JOB/spec.json")
    try:
        return TrainSpec.model_validate_json(Exchange(root).read(below))
    except (
        FileNotFoundError
    ) as error:  # a mount that is missing on this node, or one that has not seen it yet
        raise ExchangeError(
            f"--config: nothing at {config}; see that the exchange is mounted, or submit the run again"
        ) from error
    except ValidationError as error:
        raise UsageError(f"--config: {config} is no TrainSpec: {error}") from error


def _local(spec: TrainSpec, pod: Pod, exchange: Exchange) -> TrainSpec:
    """The spec with its inputs on the local disk and the device that the pod is for."""
    updates: dict[str, Any] = {}
    for name, ref in spec.inputs.items():
        path = exchange.fetch(ref, ref.digest, pod.cache)
        updates[name] = Ref(uri=str(path), digest=ref.digest)
    if spec.parts is not None:
        updates["base"] = str(exchange.fetch(spec.parts, spec.parts.digest, pod.cache))
    if pod.device != "auto":
        updates["training"] = spec.training.model_copy(update={"device": pod.device})
    return spec.model_copy(update=updates)


def _trainer(
    spec: TrainSpec, checkpoints: Shared, pod: Pod, stop: Stop, world: World
) -> tasks.Trainer:
    lines = Lines(quiet=world.rank > 0)
    return tasks.Trainer(
        spec=spec,
        features=Features.load(spec.features.path),
        checkpoints=checkpoints,
        log=lines.log,
        progress=lines.progress,
        control=Control(world=world, stop=stop, checkpoint_steps=pod.checkpoint_steps),
    )


def _figures(trainer: tasks.Trainer, world: World) -> dict[str, Any]:
    return {
        "steps": trainer.steps,
        "resumed_from": trainer.resumed,
        "executed_steps": trainer.steps - trainer.resumed,
        "history": trainer.history,
        "device": placed(trainer.spec.training)[0].type,
        "world_size": world.size,
        "code": code_digest(),
    }
