"""What fusions have in common that fill in absent parts before they mix.

An absent part becomes ``e + t (g - e)``: a guess ``g`` from the parts that are there, trusted by
``t`` in 0..1, else the learned vector ``e`` that stands for nothing known. Then all parts are mixed
as by ``concat``, whose presence bits still tell which are real.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from components.parts.fusion import concat
from components.parts.network import Fused

_LEAST = 1e-6


class Filling(Protocol):
    """Guesses a part from the others."""

    def guess(
        self, column: int, parts: Mapping[str, Tensor], others: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """The part of a modality, ``(batch, dim)``, and what share of it is unknown.

        Args:
            column: number of the modality.
            parts: modality name to ``(batch, dim)``.
            others: ``(batch, modalities)``, which parts may be read; never ``column``.

        Returns:
            The guess, and its variance ``(batch, 1)`` as a share of the part's own, if it tells.
        """
        ...


class Completing(nn.Module):
    """Fills in what is absent by ``filling``, then mixes; owns the variance of each part.

    Args:
        filling: a module that is also a ``Filling``.
        names: modalities in order.
        dim: width of a part.
        dropout: of the mixing layer.
        hidden: width of the mixing layer.
    """

    spread: Tensor

    def __init__(
        self, filling: nn.Module, names: tuple[str, ...], dim: int, dropout: float, hidden: int
    ) -> None:
        super().__init__()
        self._names = names
        self.register_buffer("spread", torch.ones(len(names)))
        self.filling = filling
        self.mix = concat.build(concat.Config(hidden=hidden), names=names, dim=dim, dropout=dropout)

    @torch.no_grad()
    def fit_parts(self, parts: Mapping[str, Tensor], present: Tensor) -> None:
        """Measure how far parts of training records lie from their mean, and start the filling."""
        for column, name in enumerate(self._names):
            own = parts[name][present[:, column]].float()
            if len(own) > 1:
                self.spread[column] = own.var(dim=0, correction=0).mean().clamp_min(_LEAST)
        self.filling.fit_parts(parts, present)  # type: ignore[operator]

    def forward(self, parts: dict[str, Tensor], present: Tensor) -> Fused:
        """Fill in and mix.

        Args:
            parts: modality name to ``(batch, dim)``; absent rows hold their learned vector.
            present: ``(batch, modalities)``, in the order of ``names``.

        Returns:
            ``(batch, dim)``, and as extras ``real (batch, modalities)``, 1 where a part is the
            record's own and 0 where it stands in; ``trust (batch, modalities)``, 1 where real;
            of each modality ``guess:NAME (batch, dim)`` from the other ones, and ``miss:NAME
            (batch, 2)``: its loss, and 1 where it is known how far the guess is off.
        """
        whole: dict[str, Tensor] = {}
        extras = {"real": present.float()}
        trusts = []
        for column, name in enumerate(self._names):
            here = present[:, column, None]
            others = present & (torch.arange(len(self._names), device=present.device) != column)
            guess, unknown = self.filling.guess(column, parts, others)  # type: ignore[operator]
            any_other = others.any(dim=1, keepdim=True)
            trust = torch.ones_like(guess[:, :1]) if unknown is None else 1 - unknown.detach()
            trust = torch.where(any_other, trust, torch.zeros_like(trust))
            stand_in = parts[name] + trust * (guess - parts[name])
            whole[name] = torch.where(here, parts[name], stand_in.to(parts[name].dtype))
            trusts.append(torch.where(here, torch.ones_like(trust), trust))
            loss = _miss(guess, parts[name].detach(), self.spread[column], unknown)
            extras[f"guess:{name}"] = guess
            extras[f"miss:{name}"] = torch.cat([loss, (here & any_other).float()], dim=1)
        extras["trust"] = torch.cat(trusts, dim=1)
        return Fused(vector=self.mix(whole, present), extras=extras)


def _miss(guess: Tensor, part: Tensor, spread: Tensor, unknown: Tensor | None) -> Tensor:
    """Mean squared error ``(batch, 1)`` as a share of the spread, and a told variance's likelihood.

    The likelihood ``(e / u + log u) / 2`` teaches the variance alone: through the mean it would
    make records that are hard to guess count less and less.
    """
    error = (guess.float() - part.float()).square().mean(dim=1, keepdim=True) / spread
    if unknown is None:
        return error
    return error + (error.detach() / unknown + unknown.log()) / 2


def needs_completion(
    name: str, losses: Mapping[str, Mapping[str, Any]], modalities: int
) -> str | None:
    """Why a run cannot use a fusion that fills in; None if it can."""
    if modalities < 2:
        return f"{name} fills in what is missing from what is there; got one modality, wanted two"
    if "completion" in losses and losses["completion"].get("weight", 1):
        return None
    return f"nothing teaches {name} to fill in; add `completion: {{weight: 1.0}}` to `losses`"
