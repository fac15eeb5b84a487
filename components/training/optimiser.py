"""AdamW whose whole state is named tensors, so that a checkpoint is just them.

The arithmetic is ``torch.optim.adamw.adamw`` itself. The class ``torch.optim.AdamW`` is not used because its first call imports
the compiler (``torch._dynamo``), which takes several seconds that no training here needs.

Source: Loshchilov & Hutter 2019 (arXiv:1711.05101); one rise and one cosine fall of the learning rate, Smith & Topin 2019
(arXiv:1708.07120).
"""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

_BETAS = (0.9, 0.98)
"""The second is below the usual 0.999: these trainings take hundreds of steps, not hundreds of thousands."""
_EPSILON = 1e-8
WARM_UP = 0.05
"""Share of all steps in which the learning rate rises."""


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Rate of a step: a straight rise over the first twentieth, then half a cosine down to zero.

    >>> [round(learning_rate(s, 42, 1.0), 3) for s in (0, 1, 2, 22, 42)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class AdamW:
    """Moves parameters against their gradients; one without a gradient stays as it is.

    Args:
        parameters: name to parameter.
        weight_decay: pull of matrices towards zero; norms, biases, temperatures and learned stand-ins are not pulled.
    """

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> None:
        self._parameters = dict(parameters)
        self._decay = {
            name: weight_decay if p.ndim > 1 else 0.0 for name, p in self._parameters.items()
        }
        self.state = {
            **{f"mean/{name}": torch.zeros_like(p) for name, p in self._parameters.items()},
            **{f"square/{name}": torch.zeros_like(p) for name, p in self._parameters.items()},
            **{
                f"step/{name}": torch.zeros((), device=p.device)
                for name, p in self._parameters.items()
            },
        }

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step at a learning rate."""
        for decay in sorted(set(self._decay.values())):
            names = [
                n
                for n, p in self._parameters.items()
                if p.grad is not None and self._decay[n] == decay
            ]
            if not names:
                continue
            adamw(
                [self._parameters[n] for n in names],
                [g for n in names if (g := self._parameters[n].grad) is not None],
                [self.state[f"mean/{n}"] for n in names],
                [self.state[f"square/{n}"] for n in names],
                [],
                [self.state[f"step/{n}"] for n in names],
                fused=True,
                amsgrad=False,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                lr=rate,
                weight_decay=decay,
                eps=_EPSILON,
                maximize=False,
            )

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the state of an earlier run."""
        for name, value in self.state.items():
            value.copy_(state[name])
