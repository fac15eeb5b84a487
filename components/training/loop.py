"""The training loop: seeded, and resumable to the bit after any step."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from components.config.run import TrainingConfig
from components.core.errors import Interrupted, UserError
from components.core.progress import Log, Progress, silent, unlogged
from components.model.network import Model
from components.training.checkpoint import Store
from components.training.consistency import NOTHING, Online
from components.training.data import TrainingData
from components.training.distributed import ALONE, World
from components.training.objective import Loss
from components.training.randomness import drawn_aside
from components.training.state import TrainState


@dataclass(frozen=True, kw_only=True)
class Control:
    """How a training run is controlled from outside.

    Attributes:
        world: the processes that train together.
        stop: called after every step; if it returns True, a checkpoint is written and the run ends.
        checkpoint_steps: steps between checkpoints within an epoch, besides those between epochs.
    """

    world: World = ALONE
    stop: Callable[[], bool] = lambda: False
    checkpoint_steps: int | None = None


UNDISTURBED = Control()
_HELD_OUT = "held_out"


@dataclass(frozen=True, kw_only=True)
class Halfway:
    """A look at a run when half of its epochs are done: one that is behind another ends there.

    Source: successive halving, Jamieson & Talwalkar 2016 (arXiv:1502.07943).

    Attributes:
        loss: mean loss of a model on held-out records; the epoch's figures name it ``held_out``.
        below: what it must be below for the run to go on; NaN if nothing is.
    """

    loss: Callable[[Model], float]
    below: float = math.nan

    def ends(self, history: Sequence[Mapping[str, float]], epochs: int) -> bool:
        """Whether a run with this history is at an end before its last epoch."""
        return halfway_loss(history, epochs) >= self.below


def halfway_loss(history: Sequence[Mapping[str, float]], epochs: int) -> float:
    """The held-out loss after half of the epochs; NaN before, or where nobody looked.

    >>> halfway_loss([{"loss": 2.0}, {"loss": 1.0, "held_out": 0.5}, {"loss": 0.7}], epochs=4)
    0.5
    """
    half = epochs // 2
    return history[half - 1].get(_HELD_OUT, math.nan) if 0 < half <= len(history) else math.nan


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """Figures of a finished training run.

    Attributes:
        history: mean loss of each epoch, total and by name, and the learning rate at its end;
            ``held_out`` of the epoch after which ``Halfway`` looked.
        steps: optimiser steps, those before an interruption included.
        resumed_from: steps before the last interruption.
    """

    history: list[dict[str, float]]
    steps: int
    resumed_from: int


def fit(
    model: Model,
    losses: Mapping[str, tuple[float, Loss]],
    data: TrainingData,
    config: TrainingConfig,
    *,
    epochs: int,
    checkpoints: Store | None = None,
    key: str = "",
    name: str = "train",
    log: Log = unlogged,
    progress: Progress = silent,
    control: Control = UNDISTURBED,
    online: Online = NOTHING,
    halfway: Halfway | None = None,
) -> FitResult:
    """Train a model in place; it ends on the CPU, in evaluation mode.

    Args:
        model: fresh weights.
        losses: name to weight and loss.
        data: records and targets.
        config: learning rate, sizes and seed.
        epochs: passes over the data.
        checkpoints: where an interrupted run is kept and resumed from.
        key: of everything that shapes the weights; a checkpoint with another key is not used.
        name: of this run in progress, log and checkpoints.
        log: receives the figures of each epoch.
        progress: called after every step.
        control: processes, when to stop, and how often to write a checkpoint.
        online: what else the steps learn from, and how modalities are balanced.
        halfway: whether to go on after half of the epochs.

    Raises:
        UserError: no record to learn from, or the loss is not finite.
        Interrupted: ``control.stop`` returned True; the checkpoint is written.
    """
    if not len(data.supervised) and (model.target.width or not len(data.unlabelled)):
        raise UserError(
            f"{name}: no training record has a visible label and one of {', '.join(data.names)}; "
            "label some training records, or make their labels visible with `data.labels`"
        )
    with drawn_aside(placed(config)[0]):
        run = TrainState(
            model,
            losses,
            data,
            config,
            epochs=epochs,
            placement=placed(config),
            world=control.world,
            online=online,
        )
        found = checkpoints.read(name, key) if checkpoints is not None else None
        if found is not None:
            run.resume(found)
        while not _over(run, epochs, halfway):
            run.advance()
            if halfway and run.batch == 0 and run.epoch == epochs // 2:
                run.history[-1][_HELD_OUT] = control.world.first(halfway.loss(model))
            asked = control.stop()  # before progress: whoever receives it may ask the run to stop
            progress(name, run.step, run.steps)
            if run.batch == 0:
                log({f"{name}/{what}": value for what, value in run.history[-1].items()}, run.step)
            stop = control.world.any(asked)
            over = _over(run, epochs, halfway)
            if checkpoints is not None and (
                stop or over or _due(run, config, control.checkpoint_steps)
            ):
                checkpoints.write(name, run.checkpoint(), key)
            if stop and not over:
                raise Interrupted(f"{name}: stopped after step {run.step} of {run.steps}")
    model.cpu().eval()
    return FitResult(history=run.history, steps=run.step, resumed_from=found.step if found else 0)


def _over(run: TrainState, epochs: int, halfway: Halfway | None) -> bool:
    """Whether no step is left."""
    return run.epoch >= epochs or (halfway is not None and halfway.ends(run.history, epochs))


def _due(run: TrainState, config: TrainingConfig, steps: int | None) -> bool:
    """Whether a checkpoint is written after this step of a run that goes on."""
    if run.batch == 0 and run.epoch % config.checkpoint_every == 0:
        return True
    return steps is not None and run.step % steps == 0


def placed(config: TrainingConfig) -> tuple[torch.device, torch.dtype]:
    """Device and number type of a config on this machine.

    Raises:
        UserError: CUDA is asked for and torch sees no CUDA device.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UserError("training.device: got cuda, but torch sees no CUDA device; use auto or cpu")
    device = torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    return device, torch.bfloat16 if bf16 else torch.float32
