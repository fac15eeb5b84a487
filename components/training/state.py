"""A training run between two steps: weights, optimiser, position, and the step itself."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.config.run import TrainingConfig
from components.core.errors import UserError
from components.model.network import Model
from components.parts import returned
from components.parts.own import is_own
from components.training.balancing import gradients, own_parameters, stepping
from components.training.checkpoint import Checkpoint
from components.training.consistency import NOTHING, Online
from components.training.data import Batch, TrainingData
from components.training.distributed import World
from components.training.fitted_parts import fit_encoders, fit_fusion
from components.training.objective import Loss, Objective
from components.training.optimiser import adamw, load_named_state, named_state, schedule
from components.training.projectors import fit_projectors
from components.training.randomness import epoch_seed, rank_seeds

MAX_GRAD_NORM = 1.0
"""The gradient of all parameters together is scaled down to this norm where it is larger."""
_OPTIMISER, _POSITION, _TEACHER = "optimiser/", "position/", "teacher/"
"""Prefixes of the tensors in a checkpoint that are not weights."""


class TrainState:
    """State of one training run between its steps.

    Args:
        model: fresh weights.
        losses: name to weight and loss.
        data: records and targets.
        config: learning rate, sizes and seed.
        epochs: passes over the data.
        placement: device, and number type of the model's products.
        world: the processes that train together.
        online: what else the steps learn from, and how modalities are balanced.
    """

    def __init__(
        self,
        model: Model,
        losses: Mapping[str, tuple[float, Loss]],
        data: TrainingData,
        config: TrainingConfig,
        *,
        epochs: int,
        placement: tuple[torch.device, torch.dtype],
        world: World,
        online: Online = NOTHING,
    ) -> None:
        self.device, precision = placement
        self.data, self.config, self.world = data, config, world
        weights = weighted(losses, online, model.names)
        self.names = list(weights)
        # On the device once: a copy in every step would wait for the step before.
        self.weights = torch.tensor(list(weights.values()), device=self.device)
        self.online = online
        self.history: list[dict[str, float]] = []
        self.epoch = self.batch = self.step = 0
        self.batches: list[NDArray[np.int64]] = []
        self.aside: list[NDArray[np.int64]] = []
        self._order()
        # Sums stay on the device, so that a step never waits for the one before.
        self.sums = torch.zeros(1 + len(weights), device=self.device)
        self.steps = epochs * len(self.batches)
        fit_encoders(model, data, config.seed)
        fit_projectors(model, data)
        # A loss of ours may find nothing to compare; a user's own that never teaches is wrong.
        self.own = {f"losses: {name}" for name in losses if is_own(name)}
        whole = Objective(model, losses, config, precision, world, online)
        self.whole = whole.to(self.device).train()
        self.teacher = self.whole.with_teacher()
        self.apart = own_parameters(model) if online.balance is not None else {}
        self.forward = world.wrapped(self.whole)
        self.optimiser = adamw(
            self.whole.named_parameters(), config.learning_rate, config.weight_decay
        )
        self.schedule = schedule(self.optimiser, self.steps)

    def resume(self, found: Checkpoint) -> None:
        """Restore what an interrupted run left."""
        parts: dict[str, dict[str, Tensor]] = {_OPTIMISER: {}, _POSITION: {}, _TEACHER: {}, "": {}}
        for name, tensor in found.state.items():
            prefix = next(p for p in parts if name.startswith(p))
            parts[prefix][name.removeprefix(prefix)] = tensor
        self.whole.load_state_dict(parts[""])
        if self.teacher is not None:
            self.teacher.load_state_dict(parts[_TEACHER])
        load_named_state(self.optimiser, parts[_OPTIMISER])
        self.history, self.step = list(found.history), found.step
        self.schedule = schedule(self.optimiser, self.steps, done=self.step)
        self.epoch, self.batch = found.epoch, found.batch
        self.own = set()  # the steps before the interruption have shown it, or may have
        if self.batch:
            self._order()
            self.sums = parts[_POSITION]["sums"].to(self.device)
            torch.set_rng_state(parts[_POSITION]["cpu"])
            if self.device.type == "cuda" and "cuda" in parts[_POSITION]:
                torch.cuda.set_rng_state(parts[_POSITION]["cuda"], self.device)

    def checkpoint(self) -> Checkpoint:
        """All that the next step needs; between epochs the generators are seeded anew."""
        state = {
            **self.whole.state_dict(),
            **{f"{_OPTIMISER}{n}": t for n, t in named_state(self.optimiser).items()},
        }
        if self.teacher is not None:
            state |= {f"{_TEACHER}{n}": t for n, t in self.teacher.state_dict().items()}
        if self.batch:
            state |= {f"{_POSITION}sums": self.sums, f"{_POSITION}cpu": torch.get_rng_state()}
            if self.device.type == "cuda":
                state[f"{_POSITION}cuda"] = torch.cuda.get_rng_state(self.device)
        return Checkpoint(
            epoch=self.epoch, batch=self.batch, step=self.step, history=self.history, state=state
        )

    def advance(self) -> None:
        """Do one step, and what precedes and follows the steps of an epoch."""
        if self.batch == 0:
            self._order()
            torch.manual_seed(epoch_seed(self.config.seed, self.epoch))
            self.sums = torch.zeros_like(self.sums)
            fit_fusion(self.whole.model, self.data, self.device)
        lr = float(self.schedule.get_last_lr()[0])
        self.sums += self._minimise(self.batches[self.batch])
        self.step += 1
        self.batch += 1
        if self.batch == len(self.batches):
            self._end_epoch(lr)

    def _order(self) -> None:
        """The batches of the epoch, and the unlabelled records beside each."""
        size, seed = self.config.batch_size, self.config.seed
        self.batches = self.data.batches(size, seed, self.epoch)
        if self._asks("unlabelled"):
            rows = min(max(1, round(self.online.ratio * size)), len(self.data.hidden))
            self.aside = self.data.beside(rows, len(self.batches), seed, self.epoch)

    def _minimise(self, rows: NDArray[np.int64]) -> Tensor:
        """Update all parameters; returns the total loss and each loss, ``(1 + losses,)``."""
        batch = self.data.batch(
            rows, self.device, self.world.bounds(len(rows)), numbered=self._asks("batch")
        )
        values = self.forward(batch, self._own_seeds(), *self._beside())
        total = (self.weights * values).sum()
        self.optimiser.zero_grad()
        total.backward()
        factors = self._balanced(values.detach())
        nn.utils.clip_grad_norm_(self.whole.parameters(), MAX_GRAD_NORM)
        with stepping(self.apart, factors):
            self.optimiser.step()
        self.schedule.step()
        if self.teacher is not None:
            self.teacher.update_parameters(self.whole.model)
        return torch.cat([total.detach()[None], values.detach()])

    def _asks(self, records: str) -> bool:
        """Whether ``ssl`` reads these records."""
        return self.online.ssl is not None and self.online.ssl.records == records

    def _beside(self) -> tuple[Batch | None, int | None]:
        """Unlabelled records of this step for ``ssl``, and the seed of what this rank draws."""
        if self.online.ssl is None:
            return None, None
        seed = None
        if self.world.size > 1:
            seed, _ = rank_seeds(self.config.seed, self.epoch, self.batch, self.world.rank, 1)
        if self._asks("batch"):
            return None, seed
        rows = self.aside[self.batch]
        part = self.world.bounds(len(rows))
        return self.data.batch(rows, self.device, part, numbered=True), seed

    def _balanced(self, values: Tensor) -> Tensor | None:
        """What the balance does after a backward pass: factors ``(modalities,)`` of the steps."""
        if self.online.balance is None:
            return None
        scores = values[len(values) - len(self.apart) :]
        factors = self.online.balance.after_backward(
            scores, gradients(self.apart), self.step / self.steps
        )
        if factors is not None:
            returned.tensor("balance: `after_backward`", factors, scores.shape)
        return factors

    def _own_seeds(self) -> tuple[int, int] | None:
        if self.world.size == 1:
            return None
        return rank_seeds(self.config.seed, self.epoch, self.batch, self.world.rank)

    def _end_epoch(self, lr: float) -> None:
        means = (self.sums / len(self.batches)).tolist()
        self.epoch, self.batch = self.epoch + 1, 0
        if not math.isfinite(means[0]):
            raise UserError(
                f"training diverged in epoch {self.epoch}: the loss is {means[0]}; "
                "lower training.learning_rate, or see whether a loss of your own divides by 0"
            )
        if idle := self.own - self.whole.teaching:
            raise UserError(
                f"{min(idle)}: its value does not depend on the model, so that no step of epoch "
                f"{self.epoch} learned from it; compute it from `output` without `detach`, "
                "`item` or numpy"
            )
        self.history.append(
            {
                "loss": means[0],
                **dict(zip(self.names, means[1:], strict=True)),
                "learning_rate": lr,
            }
        )


def weighted(
    losses: Mapping[str, tuple[float, Loss]], online: Online, modalities: Sequence[str]
) -> dict[str, float]:
    """What ``Objective`` returns, by name in the history, and its weight in the total.

    Args:
        losses: name to weight and loss.
        online: its figures, and the scores of modalities, have weight 0: they are only shown.
        modalities: of the model, sorted by name.
    """
    ssl = online.ssl
    kept = 1.0 if ssl is None else ssl.kept
    found = {name: kept * weight for name, (weight, _) in losses.items()}
    if ssl is not None:
        found |= {f"{online.name}/{term}": online.weight for term in ssl.terms}
        found |= {f"{online.name}/{figure}": 0.0 for figure in ssl.figures}
    if online.balance is not None:
        found |= {f"{online.balance_name}/{name}": 0.0 for name in modalities}
    return found
