"""What a step minimises: the losses of a batch, with smoothed targets and hidden modalities."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from components.config.run import TrainingConfig
from components.core.errors import UserError
from components.model.network import Model
from components.parts import loading as parts
from components.parts import returned
from components.training.balancing import scores
from components.training.consistency import NOTHING, Learner, Online, averaged
from components.training.data import Batch
from components.training.distributed import World
from components.training.hiding import hide_modalities, rates_of
from components.training.randomness import drawn_aside

Loss = Callable[..., Tensor]
"""Scalar of ``(output, targets, weights, present)``; the last three are ``(batch, classes)``,
``(batch,)`` and ``(batch, modalities)``. A loss that has a parameter ``likeness`` receives
the batch's ``components.parts.network.Likeness`` there: which records are alike. One that has a
parameter ``target`` receives the model's ``components.parts.contracts.Target``. One that has a
parameter ``frozen`` receives the vectors of the frozen encoders by the name of their modality,
``(batch, dims)`` (see ``Model.frozen``), which are computed for it alone."""
_FROZEN = "frozen"


def built(
    losses: Mapping[str, Mapping[str, Any]], modalities: int, base: Path | None
) -> tuple[dict[str, tuple[float, Loss]], bool]:
    """The losses of a configuration for a model with this number of modalities.

    A loss of weight 0, or one that needs more modalities, is left out.

    Args:
        losses: name to options, ``weight`` among them.
        modalities: number of the model's modalities.
        base: folder that a user's own files are relative to.

    Returns:
        Name to weight and loss, and whether one of them uses records without a label.
    """
    found: dict[str, tuple[float, Loss]] = {}
    unlabelled = False
    for name, options in sorted(losses.items()):
        weight = float(options.get("weight", 1.0))
        module = parts.load("losses", name, base)
        if weight == 0 or modalities < getattr(module, "MIN_MODALITIES", 1):
            continue
        own = {k: v for k, v in options.items() if k != "weight"}
        loss = module.build(parts.configure("losses", name, own, base))
        found[name] = weight, _taking(name, loss)
        unlabelled |= bool(getattr(module, "USES_UNLABELLED", False))
    return found, unlabelled


class Objective(nn.Module):
    """A model and its losses; the parameters of both are learned.

    Args:
        model: the model.
        losses: name to weight and loss.
        config: label smoothing, modality dropout and augmentation.
        precision: number type of the model's products.
        world: the processes that share a batch.
        online: what else the steps learn from, and how modalities are balanced.

    Attributes:
        teaching: the losses that had a gradient in some step, as ``losses: NAME``.
    """

    def __init__(
        self,
        model: Model,
        losses: Mapping[str, tuple[float, Loss]],
        config: TrainingConfig,
        precision: torch.dtype,
        world: World,
        online: Online = NOTHING,
    ) -> None:
        super().__init__()
        self.model = model
        self.ssl, self.balance = online.ssl, online.balance
        self._learner: Learner | None = None
        self.losses = nn.ModuleDict(
            {n: loss for n, (_, loss) in losses.items() if isinstance(loss, nn.Module)}
        )
        self.teaching: set[str] = set()
        self._terms = [(f"losses: {n}", loss, _more(loss)) for n, (_, loss) in losses.items()]
        self._reads_frozen = any(_FROZEN in names for *_, names in self._terms)
        if self._reads_frozen and not any(model.frozen_dims.values()):
            asking = ", ".join(n for n, (_, loss) in losses.items() if _FROZEN in _more(loss))
            raise UserError(
                f"losses: {asking}: got encoders that are all trained, wanted a frozen one in at "
                "least one modality; choose one under `modalities`, or drop the loss"
            )
        self._config, self._precision, self._world = config, precision, world

    def with_teacher(self) -> AveragedModel | None:
        """Prepare what ``ssl`` asks, on the device where the model now is; its teacher, if any."""
        teacher = None
        if self.ssl is not None:
            teacher = averaged(self.model, self.ssl)
            self._learner = Learner(self.model, teacher, self.ssl, self._world)
        return teacher

    def forward(
        self,
        batch: Batch,
        seeds: tuple[int, int] | None = None,
        beside: Batch | None = None,
        beside_seed: int | None = None,
    ) -> Tensor:
        """Each loss of the whole batch, ``(losses,)``, with what is learned online.

        The terms and figures of ``ssl`` come after the losses, and then each modality's score,
        where there is a balance.

        Args:
            batch: its inputs hold this rank's rows, all else the rows of all ranks.
            seeds: of this rank's draws for its own rows, for the augmentation and for the model;
                None draws from torch's global generator, as one process does.
            beside: unlabelled records for ``ssl``, where it asks for them.
            beside_seed: as ``seeds``, for what ``ssl`` draws.
        """
        config, device = self._config, batch.present.device
        total = len(batch.present)
        start, stop = self._world.bounds(total)
        with drawn_aside(device, seeds[0]) if seeds else nullcontext():
            inputs = self.model.augment(batch.inputs) if config.augment else batch.inputs
        rates = rates_of(config.modality_dropout, self.model.names)
        hides = max(rates) > 0 if isinstance(rates, list) else rates > 0
        hidden = hide_modalities(batch.present, rates) if hides else None
        hidden = self._held_back(batch.present, hidden)
        wanted = targets(self.model, batch, config.label_smoothing)
        own = None if hidden is None else hidden[start:stop]
        with (
            drawn_aside(device, seeds[1]) if seeds else nullcontext(),
            torch.autocast(
                device.type, dtype=self._precision, enabled=self._precision != torch.float32
            ),
        ):
            output = self.model(inputs, batch.present[start:stop], own)
        output = self._world.gathered(output, total)
        given = (output, wanted, batch.weights, batch.present)
        more: dict[str, Any] = {"likeness": batch.likeness, "target": self.model.target}
        if self._reads_frozen:
            with torch.no_grad():
                own_rows = self.model.frozen(batch.inputs, batch.present[start:stop])
            more[_FROZEN] = self._world.whole(own_rows, total)
        values = [
            returned.tensor(part, loss(*given, **{name: more[name] for name in names}), ())
            for part, loss, names in self._terms
        ]
        for (part, *_), value in zip(self._terms, values, strict=True):
            if value.requires_grad:
                self.teaching.add(part)
        if self._learner is not None:
            read = batch if beside is None else beside
            strong = hide_modalities(read.present, self._learner.part.strong.hide)
            answered = output if beside is None else None
            drawn = self._drawn(device, beside_seed)
            values += self._learner.terms(read, strong, answered, drawn)
        if self.balance is not None:
            values += scores(self.model, output, wanted, batch)
        return torch.stack(values)

    def _held_back(self, present: Tensor, hidden: Tensor | None) -> Tensor | None:
        """What is hidden, with what the balance hides on top; every record keeps a modality."""
        rates = self.balance.on_batch() if self.balance is not None else None
        if rates is None:
            return hidden
        returned.tensor("balance: `on_batch`", rates, present.shape[1:])
        if hidden is None:
            return hide_modalities(present, rates)
        return hidden | hide_modalities(present & ~hidden, rates)

    @contextmanager
    def _drawn(self, device: torch.device, seed: int | None) -> Iterator[None]:
        """Draw for this rank's own rows, and multiply in the precision of the model."""
        with (
            nullcontext() if seed is None else drawn_aside(device, seed),
            torch.autocast(
                device.type, dtype=self._precision, enabled=self._precision != torch.float32
            ),
        ):
            yield


def targets(model: Model, batch: Batch, smoothing: float) -> Tensor:
    """Training targets ``(batch, classes)``: coded labels, or soft ones where they are given."""
    coded: Tensor = model.target.soft(batch.labels, smoothing)
    if batch.likeliest is None:
        return coded
    codes, shares = batch.likeliest
    soft = torch.zeros_like(coded).scatter_add_(1, codes, shares.to(coded.dtype))
    return torch.where(shares.sum(dim=1, keepdim=True) > 0, soft, coded)


def _taking(name: str, found: object) -> Loss:
    """A loss that can be called.

    Raises:
        UserError: it is no function, or takes other arguments.
    """
    wanted = "(output, targets, weights, present)"
    if not callable(found):
        got = returned.described(found)
        raise UserError(f"losses: {name}: `build` returned {got}, wanted a function {wanted}")
    loss = cast(Loss, found)
    called = loss.forward if isinstance(loss, nn.Module) else loss
    try:
        inspect.signature(called).bind(*range(4), **dict.fromkeys(_more(loss)))
    except TypeError as error:
        raise UserError(
            f"losses: {name}: got a function {inspect.signature(called)}, wanted {wanted}: {error}"
        ) from None
    return loss


def _more(loss: Loss) -> list[str]:
    """Which of ``likeness``, ``target`` and ``frozen`` are parameters of a loss."""
    called = loss.forward if isinstance(loss, nn.Module) else loss
    return [n for n in ("likeness", "target", _FROZEN) if n in inspect.signature(called).parameters]
