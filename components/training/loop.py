"""The training loop: seeded, resumable to the bit, with whole modalities hidden from the fusion now and then.

Source: M01, whole-modality masking (modality dropout); AdamW, Loshchilov & Hutter 2019 (arXiv:1711.05101); one rise and one
cosine fall of the learning rate, Smith & Topin 2019 (arXiv:1708.07120).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from components.config import TrainingConfig
from components.contracts import Encoder, ModelOutput
from components.errors import UserError
from components.model import Model
from components.progress import Log, Progress, silent, unlogged
from components.training import checkpoint as checkpoints
from components.training.data import TrainingData
from components.training.optimiser import AdamW

Loss = Callable[[ModelOutput, Tensor, Tensor, Tensor], Tensor]
"""``(output, targets (batch, classes), weights (batch,), present (batch, modalities))`` to a scalar."""

WARM_UP = 0.05
"""Share of all steps in which the learning rate rises."""
_LONGEST_GRADIENT = 1.0
"""Longer gradients of all parameters together are cut to this length."""
_FIT_ROWS = 50_000
"""At most this many training records set means and scales."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """How a training went.

    Attributes:
        history: mean loss of each epoch, total and by name, and the learning rate at its end.
        steps: optimiser steps of the whole training.
        resumed_from: steps that an earlier, interrupted run had done.
    """

    history: list[dict[str, float]]
    steps: int
    resumed_from: int


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Rate of a step: a straight rise over the first twentieth, then half a cosine down to zero.

    >>> [round(learning_rate(s, 42, 1.0), 3) for s in (0, 1, 2, 22, 42)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def hide_modalities(present: Tensor, probability: float) -> Tensor:
    """Which present modalities ``(batch, modalities)`` to hide; every record keeps at least one.

    Each present modality is hidden with the given probability; where all would be, one of them, drawn evenly, stays.
    """
    draws = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
    kept = torch.zeros_like(present).scatter_(1, draws.argmax(dim=1, keepdim=True), value=True)
    return present & (draws < probability) & ~kept


def fit(
    model: Model,
    losses: Mapping[str, tuple[float, Loss]],
    data: TrainingData,
    config: TrainingConfig,
    *,
    epochs: int,
    checkpoint: Path | None = None,
    key: str = "",
    name: str = "train",
    log: Log = unlogged,
    progress: Progress = silent,
) -> Fitted:
    """Train a model in place; it ends on the CPU, in evaluation mode.

    Args:
        model: fresh weights.
        losses: name to weight and loss.
        data: what to learn from.
        config: rates, sizes and seed.
        epochs: passes over the data.
        checkpoint: file that an interrupted run leaves behind and a resumed one begins with.
        key: says what a checkpoint belongs to.
        name: how progress and log call it.
        log: takes figures of each epoch.
        progress: told after every step.

    Raises:
        UserError: nothing to learn from.
    """
    if not len(data.supervised):
        raise UserError(
            f"{name}: no training record has a visible label and one of {', '.join(data.names)}; "
            "label some training records, or make their labels visible with `data.labels`"
        )
    device, precision = placed(config)
    with _own_randomness(device):
        run = _Run(model, losses, data, config, epochs, device, precision)
        done = run.resume(checkpoint, key)
        total = epochs * run.steps_per_epoch
        for epoch in range(done.epoch if done else 0, epochs):
            run.epoch(epoch, lambda step: progress(name, step, total))
            log({f"{name}/{what}": value for what, value in run.history[-1].items()}, run.step)
            if checkpoint is not None and ((epoch + 1) % config.checkpoint_every == 0 or epoch + 1 == epochs):
                checkpoints.write(checkpoint, run.checkpoint(epoch + 1), key)
    model.cpu().eval()
    return Fitted(history=run.history, steps=run.step, resumed_from=done.step if done else 0)


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


class _Run:
    """State of one training between its epochs."""

    def __init__(
        self,
        model: Model,
        losses: Mapping[str, tuple[float, Loss]],
        data: TrainingData,
        config: TrainingConfig,
        epochs: int,
        device: torch.device,
        precision: torch.dtype,
    ) -> None:
        self.model, self.losses, self.data, self.config = model, losses, data, config
        self.device, self.precision = device, precision
        self.history: list[dict[str, float]] = []
        self.step = 0
        self.steps_per_epoch = len(data.order(config.batch_size, config.seed, 0))
        self.steps = epochs * self.steps_per_epoch
        _fit_encoders(model, data, config.seed)
        self.whole = nn.ModuleDict({"model": model})
        self.whole["losses"] = nn.ModuleDict({n: loss for n, (_, loss) in losses.items() if isinstance(loss, nn.Module)})
        self.whole.to(device)
        self.optimiser = AdamW(self.whole.named_parameters(), config.weight_decay)

    def resume(self, path: Path | None, key: str) -> checkpoints.Checkpoint | None:
        """Take up what an interrupted run left."""
        found = checkpoints.read(path, key) if path is not None else None
        if found is not None:
            prefix = "optimiser/"
            self.whole.load_state_dict({n: t for n, t in found.state.items() if not n.startswith(prefix)})
            self.optimiser.load({n.removeprefix(prefix): t for n, t in found.state.items() if n.startswith(prefix)})
            self.history, self.step = list(found.history), found.step
        return found

    def checkpoint(self, epoch: int) -> checkpoints.Checkpoint:
        """All that the next epoch needs; randomness is drawn anew from seed and epoch."""
        state = {**self.whole.state_dict(), **{f"optimiser/{n}": t for n, t in self.optimiser.state.items()}}
        return checkpoints.Checkpoint(epoch=epoch, step=self.step, history=self.history, state=state)

    def epoch(self, epoch: int, stepped: Callable[[int], None]) -> None:
        """One pass over the data."""
        torch.manual_seed(int(np.random.SeedSequence([self.config.seed, epoch]).generate_state(1, np.uint64)[0] >> 1))
        self.whole.train()
        batches = self.data.order(self.config.batch_size, self.config.seed, epoch)
        # Sums stay on the device, so that a step never waits for the one before.
        sums = torch.zeros(1 + len(self.losses), device=self.device)
        rate = 0.0
        for rows in batches:
            rate = learning_rate(self.step, self.steps, self.config.learning_rate)
            sums += self.train_step(rows, rate)
            self.step += 1
            stepped(self.step)
        means = (sums / len(batches)).tolist()
        if not math.isfinite(means[0]):
            raise UserError(f"training fell apart in epoch {epoch + 1}: the loss is {means[0]}; lower training.learning_rate")
        self.history.append({"loss": means[0], **dict(zip(self.losses, means[1:], strict=True)), "learning_rate": rate})

    def train_step(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]], rate: float) -> Tensor:
        """One step; returns the total loss and each loss, ``(1 + losses,)``."""
        batch = self.data.batch(rows, self.device)
        inputs = self.model.augment(batch.inputs) if self.config.augment else batch.inputs
        hidden = hide_modalities(batch.present, self.config.modality_dropout) if self.config.modality_dropout else None
        targets = smoothed(batch.labels, len(self.model.classes), self.config.label_smoothing)
        with torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32):
            output = self.model(inputs, batch.present, hidden)
        values = torch.stack([loss(output, targets, batch.weights, batch.present) for _, loss in self.losses.values()])
        factors = values.new_tensor([weight for weight, _ in self.losses.values()])
        total = (factors * values).sum()
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.whole.parameters(), _LONGEST_GRADIENT)
        self.optimiser.step(rate)
        return torch.cat([total.detach()[None], values.detach()])


def smoothed(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Distributions ``(batch, classes)``: ``1 - smoothing`` on the label, the rest even; -1 gives an even one."""
    even = torch.full((len(labels), classes), smoothing / classes, device=labels.device)
    even[labels < 0] = 1.0 / classes
    sure = (labels >= 0).to(even.dtype)[:, None] * (1 - smoothing)
    return even.scatter_add_(1, labels.clamp_min(0)[:, None], sure)


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


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Leave the caller's random numbers as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
