"""The training loop: seeded, and resumable to the bit after any step."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.config.run import TrainingConfig
from components.core.errors import Interrupted, UserError
from components.core.progress import Log, Progress, silent, unlogged
from components.model.network import Model
from components.parts.contracts import Encoder
from components.training.checkpoint import Checkpoint, Store
from components.training.data import TrainingData
from components.training.distributed import ALONE, World
from components.training.objective import Loss, Objective
from components.training.optimiser import adamw, load_named_state, named_state, schedule
from components.training.randomness import drawn_aside, epoch_seed, rank_seeds

MAX_GRAD_NORM = 1.0
"""The gradient of all parameters together is scaled down to this norm where it is larger."""
_FIT_ROWS = 50_000
"""At most this many training records set means and scales."""


_OPTIMISER, _POSITION = "optimiser/", "position/"
"""What names in a checkpoint begin with that are not weights."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """How a training is steered from outside.

    Attributes:
        world: the processes that train together.
        stop: asked after every step; then a checkpoint is written and the training ends.
        checkpoint_steps: steps between checkpoints within an epoch; one is written at the end of an epoch in any case.
    """

    world: World = ALONE
    stop: Callable[[], bool] = lambda: False
    checkpoint_steps: int | None = None


UNDISTURBED = Control()


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """How a training went.

    Attributes:
        history: mean loss of each epoch, total and by name, and the learning rate at its end.
        steps: optimiser steps of the whole training.
        resumed_from: steps that an earlier, interrupted run had done.
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
) -> FitResult:
    """Train a model in place; it ends on the CPU, in evaluation mode.

    Args:
        model: fresh weights.
        losses: name to weight and loss.
        data: what to learn from.
        config: rates, sizes and seed.
        epochs: passes over the data.
        checkpoints: what an interrupted run leaves behind and a resumed one begins with.
        key: says what a checkpoint belongs to.
        name: how progress, log and checkpoints call it.
        log: takes figures of each epoch.
        progress: told after every step.
        control: who trains along, when to stop, and how often to write a checkpoint.

    Raises:
        UserError: nothing to learn from.
        Interrupted: it was told to stop, and has written its checkpoint.
    """
    if not len(data.supervised):
        raise UserError(
            f"{name}: no training record has a visible label and one of {', '.join(data.names)}; "
            "label some training records, or make their labels visible with `data.labels`"
        )
    with drawn_aside(placed(config)[0]):
        run = TrainState(model, losses, data, config, epochs, control.world)
        found = checkpoints.read(name, key) if checkpoints is not None else None
        if found is not None:
            run.resume(found)
        while run.epoch < epochs:
            run.advance()
            asked = control.stop()  # before the step is told: who sees it may stop the training
            progress(name, run.step, run.steps)
            if run.batch == 0:
                log({f"{name}/{what}": value for what, value in run.history[-1].items()}, run.step)
            stop = control.world.any(asked)
            if checkpoints is not None and (
                stop or _due(run, config, epochs, control.checkpoint_steps)
            ):
                checkpoints.write(name, run.checkpoint(), key)
            if stop and run.epoch < epochs:
                raise Interrupted(f"{name}: stopped after step {run.step} of {run.steps}")
    model.cpu().eval()
    return FitResult(history=run.history, steps=run.step, resumed_from=found.step if found else 0)


def _due(run: "TrainState", config: TrainingConfig, epochs: int, steps: int | None) -> bool:
    """Whether a checkpoint is written after this step."""
    if run.batch == 0 and (run.epoch % config.checkpoint_every == 0 or run.epoch == epochs):
        return True
    return steps is not None and run.step % steps == 0


def placed(config: TrainingConfig) -> tuple[torch.device, torch.dtype]:
    """Device and number type that a config means on this machine.

    Raises:
        UserError: CUDA is asked for and not there.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UserError("training.device: got cuda, but torch sees no CUDA device; use auto or cpu")
    device = torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    return device, torch.bfloat16 if bf16 else torch.float32


class TrainState:
    """State of one training between its steps."""

    def __init__(
        self,
        model: Model,
        losses: Mapping[str, tuple[float, Loss]],
        data: TrainingData,
        config: TrainingConfig,
        epochs: int,
        world: World,
    ) -> None:
        self.device, precision = placed(config)
        self.data, self.config, self.world = data, config, world
        self.names, self.weights = list(losses), [weight for weight, _ in losses.values()]
        self.history: list[dict[str, float]] = []
        self.epoch = self.batch = self.step = 0
        self.batches: list[NDArray[np.int64]] = data.batches(config.batch_size, config.seed, 0)
        # Sums stay on the device, so that a step never waits for the one before.
        self.sums = torch.zeros(1 + len(losses), device=self.device)
        self.steps = epochs * len(self.batches)
        _fit_encoders(model, data, config.seed)
        self.whole = Objective(model, losses, config, precision, world).to(self.device).train()
        self.forward = world.wrapped(self.whole)
        self.optimiser = adamw(
            self.whole.named_parameters(), config.learning_rate, config.weight_decay
        )
        self.schedule = schedule(self.optimiser, self.steps)

    def resume(self, found: Checkpoint) -> None:
        """Take up what an interrupted run left."""
        parts: dict[str, dict[str, Tensor]] = {_OPTIMISER: {}, _POSITION: {}, "": {}}
        for name, tensor in found.state.items():
            prefix = next(p for p in parts if name.startswith(p))
            parts[prefix][name.removeprefix(prefix)] = tensor
        self.whole.load_state_dict(parts[""])
        load_named_state(self.optimiser, parts[_OPTIMISER])
        self.history, self.step = list(found.history), found.step
        self.schedule = schedule(self.optimiser, self.steps, done=self.step)
        self.epoch, self.batch = found.epoch, found.batch
        if self.batch:
            self.batches = self.data.batches(self.config.batch_size, self.config.seed, self.epoch)
            self.sums = parts[_POSITION]["sums"].to(self.device)
            torch.set_rng_state(parts[_POSITION]["cpu"])
            if self.device.type == "cuda" and "cuda" in parts[_POSITION]:
                torch.cuda.set_rng_state(parts[_POSITION]["cuda"], self.device)

    def checkpoint(self) -> Checkpoint:
        """All that the next step needs; between epochs randomness is drawn anew from seed and epoch."""
        state = {
            **self.whole.state_dict(),
            **{f"{_OPTIMISER}{n}": t for n, t in named_state(self.optimiser).items()},
        }
        if self.batch:
            state |= {f"{_POSITION}sums": self.sums, f"{_POSITION}cpu": torch.get_rng_state()}
            if self.device.type == "cuda":
                state[f"{_POSITION}cuda"] = torch.cuda.get_rng_state(self.device)
        return Checkpoint(
            epoch=self.epoch, batch=self.batch, step=self.step, history=self.history, state=state
        )

    def advance(self) -> None:
        """One step, and what comes before and after an epoch's steps."""
        if self.batch == 0:
            self.batches = self.data.batches(self.config.batch_size, self.config.seed, self.epoch)
            torch.manual_seed(epoch_seed(self.config.seed, self.epoch))
            self.sums = torch.zeros_like(self.sums)
        lr = float(self.schedule.get_last_lr()[0])
        self.sums += self._minimise(self.batches[self.batch])
        self.step += 1
        self.batch += 1
        if self.batch == len(self.batches):
            self._end_epoch(lr)

    def _minimise(self, rows: NDArray[np.int64]) -> Tensor:
        """Move all parameters; returns the total loss and each loss, ``(1 + losses,)``."""
        batch = self.data.batch(rows, self.device, self.world.bounds(len(rows)))
        values = self.forward(batch, self._own_seeds())
        total = (values.new_tensor(self.weights) * values).sum()
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.whole.parameters(), MAX_GRAD_NORM)
        self.optimiser.step()
        self.schedule.step()
        return torch.cat([total.detach()[None], values.detach()])

    def _own_seeds(self) -> tuple[int, int] | None:
        if self.world.size == 1:
            return None
        return rank_seeds(self.config.seed, self.epoch, self.batch, self.world.rank)

    def _end_epoch(self, lr: float) -> None:
        means = (self.sums / len(self.batches)).tolist()
        self.epoch, self.batch = self.epoch + 1, 0
        if not math.isfinite(means[0]):
            raise UserError(
                f"training fell apart in epoch {self.epoch}: the loss is {means[0]}; lower training.learning_rate"
            )
        self.history.append(
            {
                "loss": means[0],
                **dict(zip(self.names, means[1:], strict=True)),
                "learning_rate": lr,
            }
        )


def _fit_encoders(model: Model, data: TrainingData, seed: int) -> None:
    """Set means and scales from the training records that have each modality."""
    rows = np.sort(np.concatenate([data.supervised, data.unlabelled]))
    if len(rows) > _FIT_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _FIT_ROWS, replace=False))
    for column, name in enumerate(data.names):
        encoder = model.encoders[name]
        assert isinstance(encoder, Encoder)
        has = rows[data.present[rows, column]]
        with torch.no_grad():
            encoder.fit(torch.from_numpy(data.arrays[name][has]))
