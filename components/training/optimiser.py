"""AdamW and its learning-rate schedule, both torch's; the state by name, for checkpoints.

The first AdamW of a process imports the compiler (``torch._dynamo``), which every method of
``torch.optim`` asks not to compile it: 1.0 s with torch 2.13 on two cores, once per process.

Source: Loshchilov & Hutter 2019 (arXiv:1711.05101); one rise and one cosine fall of the learning
rate, Smith & Topin 2019 (arXiv:1708.07120).
"""

import math
from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

_BETAS = (0.9, 0.98)
"""The second is below the usual 0.999: a run takes hundreds of steps, not hundreds of thousands."""
WARMUP_FRACTION = 0.05
"""Share of all steps in which the learning rate rises."""


def adamw(parameters: Iterable[tuple[str, nn.Parameter]], lr: float, weight_decay: float) -> AdamW:
    """An optimiser that decays matrices only.

    Args:
        parameters: name and parameter.
        lr: the highest learning rate.
        weight_decay: of matrices; norms, biases, temperatures and learned stand-ins do not decay.
    """
    named = list(parameters)
    groups = [
        {"params": [(n, p) for n, p in named if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [(n, p) for n, p in named if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return AdamW(groups, lr=lr, betas=_BETAS, fused=True)


def lr_factor(step: int, steps: int) -> float:
    """Share of the highest learning rate: a linear rise over a twentieth, then half a cosine.

    >>> [round(lr_factor(s, 42), 3) for s in (0, 1, 2, 22, 42)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = max(1, round(WARMUP_FRACTION * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def schedule(optimiser: AdamW, steps: int, *, done: int = 0) -> LambdaLR:
    """Set the learning rate of the next step, and of each later one when it is stepped.

    Args:
        optimiser: its groups take the learning rate.
        steps: of the whole run.
        done: how many an interrupted run has done; the optimiser has had a schedule then.
    """
    return LambdaLR(optimiser, lambda step: lr_factor(step, steps), last_epoch=done - 1)


def named_state(optimiser: AdamW) -> dict[str, Tensor]:
    """``exp_avg/<parameter>``, ``exp_avg_sq/…`` and ``step/…`` of each parameter that has moved."""
    return {
        f"{key}/{name}": value
        for name, parameter in _named(optimiser)
        for key, value in optimiser.state[parameter].items()
    }


def load_named_state(optimiser: AdamW, state: Mapping[str, Tensor]) -> None:
    """Restore what ``named_state`` returned."""
    parameters = dict(_named(optimiser))
    for key, value in state.items():
        what, _, name = key.partition("/")
        parameter = parameters[name]
        optimiser.state[parameter][what] = value.to(parameter.device, copy=True)


def _named(optimiser: AdamW) -> Iterator[tuple[str, nn.Parameter]]:
    for group in optimiser.param_groups:
        yield from zip(group["param_names"], group["params"], strict=True)
