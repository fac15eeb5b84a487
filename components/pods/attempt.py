"""One attempt at a training job: fetch the inputs, train, store the result under its token."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from components.core.refs import Ref
from components.exchange.exchange import Exchange
from components.features.store import Features
from components.pods.checkpoints import Fenced
from components.pods.code import code_digest
from components.pods.handover import already_done
from components.pods.pod import Lines, Pod, Stop
from components.training import tasks
from components.training.distributed import Shared, World, joined
from components.training.loop import Control, placed
from components.training.spec import TrainSpec
from components.training.trainer import Trainer


def attempt(spec: TrainSpec, exchange: Exchange, job: str, pod: Pod, stop: Stop) -> None:
    """Do a training job that no attempt has finished yet.

    Args:
        spec: the task; its inputs are in the exchange.
        exchange: inputs, checkpoints and results.
        job: name of the job.
        pod: name and means of this attempt.
        stop: whether a signal has asked it to stop.

    Raises:
        UserError: inputs that are damaged, or nothing to learn from.
        Interrupted: stopped by a signal, with a checkpoint written.
    """
    # Ranks must agree on it: a shared folder may show a result to one rank before another.
    together = "RANK" in os.environ
    if not together and already_done(exchange, job):
        return
    began = time.monotonic()
    spec = _local(spec, pod, exchange)
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
        world.broadcast(b"")  # no rank ends before the result is written


def _local(spec: TrainSpec, pod: Pod, exchange: Exchange) -> TrainSpec:
    """The spec with its inputs on the local disk and the device of the pod."""
    updates: dict[str, Any] = {}
    for name, ref in spec.inputs.items():
        path = exchange.fetch(ref, ref.digest, pod.cache)
        updates[name] = Ref(uri=str(path), digest=ref.digest)
    if spec.parts is not None:
        updates["base"] = str(exchange.fetch(spec.parts, spec.parts.digest, pod.cache))
    if pod.device != "auto":
        updates["training"] = spec.training.model_copy(update={"device": pod.device})
    return spec.model_copy(update=updates)


def _trainer(spec: TrainSpec, checkpoints: Shared, pod: Pod, stop: Stop, world: World) -> Trainer:
    lines = Lines(quiet=world.rank > 0)
    return Trainer(
        spec=spec,
        features=Features.load(spec.features.path),
        checkpoints=checkpoints,
        log=lines.log,
        progress=lines.progress,
        control=Control(world=world, stop=stop, checkpoint_steps=pod.checkpoint_steps),
    )


def _figures(trainer: Trainer, world: World) -> dict[str, Any]:
    return {
        "steps": trainer.steps,
        "resumed_from": trainer.resumed,
        "executed_steps": trainer.steps - trainer.resumed,
        "history": trainer.history,
        "device": placed(trainer.spec.training)[0].type,
        "world_size": world.size,
        "code": code_digest(),
    }
