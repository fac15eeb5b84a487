"""What the training loop does for a balance: scores, and the parameters of each modality."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from components.model.network import Model
from components.parts.network import ModelOutput
from components.training.data import Batch


def own_parameters(model: Model) -> dict[str, list[nn.Parameter]]:
    """The parameters of each modality's encoders and projector, modalities sorted by name."""
    return {
        name: [
            parameter
            for module in (*(model.encoders[v] for v in model.views[name]), model.projectors[name])
            for parameter in module.parameters()
            if parameter.requires_grad
        ]
        for name in model.names
    }


def gradients(apart: Mapping[str, Sequence[nn.Parameter]]) -> dict[str, list[Tensor]]:
    """Those that the last backward pass left, by modality."""
    return {
        name: [parameter.grad for parameter in parameters if parameter.grad is not None]
        for name, parameters in apart.items()
    }


def scores(model: Model, output: ModelOutput, wanted: Tensor, batch: Batch) -> list[Tensor]:
    """Mean probability that each modality alone gives to the right answer; 0 where none has one.

    Args:
        model: its target defines the probabilities.
        output: of the whole batch.
        wanted: targets ``(batch, classes)``; NaN in a set where nobody knows.
        batch: its records with a label count by their weight.
    """
    found = []
    for column, name in enumerate(model.names):
        logits = output.modality_logits[name].detach().float()
        if model.target.activation == "softmax":
            right = (logits.softmax(dim=1) * wanted).sum(dim=1)
        else:
            yes = logits.sigmoid()
            right = (yes * wanted + (1 - yes) * (1 - wanted)).nanmean(dim=1)
        weights = batch.weights * batch.present[:, column]
        rows = right.masked_fill(weights == 0, 0.0)
        found.append((weights * rows).sum() / weights.sum().clamp_min(1e-12))
    return found


@contextmanager
def stepping(apart: Mapping[str, Sequence[nn.Parameter]], factors: Tensor | None) -> Iterator[None]:
    """Scale what the optimiser does within to each modality's parameters; None scales nothing.

    Args:
        apart: parameters by modality.
        factors: ``(modalities,)``, in the same order.
    """
    if factors is None:
        yield
        return
    before = [[p.detach().clone() for p in parameters] for parameters in apart.values()]
    yield
    with torch.no_grad():
        for factor, old, parameters in zip(factors, before, apart.values(), strict=True):
            for was, parameter in zip(old, parameters, strict=True):
                parameter.copy_(torch.lerp(was, parameter, factor))
