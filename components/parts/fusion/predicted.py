"""Embedding prediction: an absent part is predicted from those that are there, and trusted so far.

``g_b = W_b x + MLP_b(x)`` and variance ``u_b = sigma(v_b . x + c_b)``, a share of the part's own,
with ``x`` the other parts (zeros where absent) and their presence bits. ``W`` starts as ridge
regression over the training records and the MLP at zero. In fusion the prediction counts ``1 -
u_b``, and the learned constant the rest.

Source: missing-modality prediction as in Kim & Kim 2024, Missing modality prediction for unpaired
multimodal learning (arXiv:2407.12616), and reconstruction of hidden modalities as in ActionMAE, Woo
et al. 2023 (arXiv:2211.13916); ridge regression, Hoerl & Kennard 1970. The share of variance as the
weight is our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from components.parts.fusion._completing import Completing, needs_completion

METHOD = {
    "id": "M03",
    "name": "embedding prediction (ridge, then MLP)",
    "for": "missing modalities that the others tell something of",
    "needs": "two modalities, and training records that have both",
    "use": "model: {fusion: predicted} and losses: {cross_entropy: {}, completion: {weight: 1.0}}",
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Shape of the predictors and of the mixing layer.

    Attributes:
        hidden: width of the mixing layer, see ``concat``.
        width: hidden width of each predictor.
        ridge: penalty of the first linear map, as if so many records said zero.
    """

    hidden: Annotated[int, Field(ge=1, le=65_536)] = 256
    width: Annotated[int, Field(ge=1, le=65_536)] = 64
    ridge: Annotated[float, Field(gt=0, le=1_000_000)] = 10.0


def unsuited(losses: Mapping[str, Mapping[str, Any]], modalities: int) -> str | None:
    """Why a run cannot use it."""
    return needs_completion("predicted", losses, modalities)


def ridge(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """``(X^T X + penalty I)^-1 X^T Y`` of centred rows, ``(outputs, inputs)``, and the intercept.

    Args:
        x: ``(n, inputs)``.
        y: ``(n, outputs)``.
        penalty: added to the diagonal.
    """
    x, y = x.double(), y.double()
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    a, b = x - mean_x, y - mean_y
    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(a.T @ a + penalty * eye, a.T @ b).T
    return weight.float(), (mean_y - weight @ mean_x).float()


class Predictors(nn.Module):
    """One predictor for each modality, of the others."""

    started: Tensor

    def __init__(self, config: Config, names: tuple[str, ...], dim: int, dropout: float) -> None:
        super().__init__()
        self._names, self._ridge = names, config.ridge
        inputs = len(names) * (dim + 1)
        self.linear = nn.ModuleList(nn.Linear(inputs, dim) for _ in names)
        self.more = nn.ModuleList(
            nn.Sequential(
                nn.Linear(inputs, config.width),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(config.width, dim),
            )
            for _ in names
        )
        self.unknown = nn.ModuleList(nn.Linear(inputs, 1) for _ in names)
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        with torch.no_grad():
            for layer in (*(one[-1] for one in self.more), *self.unknown):  # type: ignore[index]
                layer.weight.zero_()
                layer.bias.zero_()

    def fit_parts(self, parts: Mapping[str, Tensor], present: Tensor) -> None:
        """Start the linear maps by ridge regression, once."""
        if bool(self.started):
            return
        self.started.fill_(True)
        for column, name in enumerate(self._names):
            others = _others(present, column)
            rows = present[:, column] & others.any(dim=1)
            if int(rows.sum()) < 2:
                continue
            x, y = self._read(parts, others)[rows].float(), parts[name][rows].float()
            weight, bias = ridge(x, y, self._ridge)
            linear, unknown = self.linear[column], self.unknown[column]
            linear.weight.copy_(weight)  # type: ignore[operator]
            linear.bias.copy_(bias)  # type: ignore[operator]
            left = (y - x @ weight.T - bias).square().mean() / y.var(dim=0, correction=0).mean()
            unknown.bias.fill_(torch.logit(left.clamp(0.05, 0.95)))  # type: ignore[operator]

    def guess(
        self, column: int, parts: Mapping[str, Tensor], others: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See ``Filling``."""
        x = self._read(parts, others)
        guess = self.linear[column](x) + self.more[column](x)
        return guess, torch.sigmoid(self.unknown[column](x).float())

    def _read(self, parts: Mapping[str, Tensor], others: Tensor) -> Tensor:
        """The other parts and their presence bits, ``(batch, modalities * (dim + 1))``."""
        seen = [parts[name] * others[:, i, None] for i, name in enumerate(self._names)]
        return torch.cat([*seen, others.to(seen[0].dtype)], dim=1)


def _others(present: Tensor, column: int) -> Tensor:
    others = present.clone()
    others[:, column] = False
    return others


def build(config: Config, *, names: tuple[str, ...], dim: int, dropout: float) -> Completing:
    """A new fusion of modalities in this order."""
    filling = Predictors(config, names, dim, dropout)
    return Completing(filling, names, dim, dropout, config.hidden)
