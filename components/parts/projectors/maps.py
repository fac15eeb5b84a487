"""Maps that are computed from the training pairs at once, instead of learned step by step.

Source: ridge regression, and orthogonal Procrustes, Schönemann 1966, as in LFA, Ouali et al. 2023,
Black box few-shot adaptation for vision-language models (arXiv:2304.01752); canonical correlation,
Hotelling 1936, of several sets at once by the largest variance, Kettenring 1971; Moschella et al.
2023, Relative representations enable zero-shot latent space communication (arXiv:2209.15430).
``least_squares``: ``W = (X^T X + l I)^-1 X^T Y`` into the main directions of one modality;
``procrustes``: ``W = U V^T`` with ``U S V^T = X^T Y`` between the main directions of both; ``cca``:
the directions in which all modalities agree most, weighted by how much; ``relative``: ``r_i =
[cos(h_i, a_1) .. cos(h_i, a_A)]`` with as many paired records ``a`` as the space has numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.errors import UserError
from components.parts.projectors._closed_form import canonical, principal, ridge, rotation

METHOD = [
    {
        "id": "A03a",
        "name": "training-free maps: least squares (LFA), Procrustes",
        "for": "aligning modalities in seconds, with few pairs",
        "needs": "two modalities of one record, all with frozen encoders",
        "use": "model: {projector: {name: maps, method: least_squares}}",
    },
    {
        "id": "A03b",
        "name": "main or canonical directions first: rank, CCA",
        "for": "aligning modalities with fewer pairs than dimensions",
        "needs": "two modalities of one record, all with frozen encoders",
        "use": "model: {projector: {name: maps, method: cca, rank: 32}}",
    },
    {
        "id": "A03c",
        "name": "relative representations by anchors",
        "for": "a space that another encoder of the same records can enter without training",
        "needs": "two modalities of one record, all with frozen encoders",
        "use": "model: {projector: {name: maps, method: relative}}",
    },
]
MIN_MODALITIES = 2
_LEAST = 2
"""Pairs without which nothing can be fitted."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which maps.

    Attributes:
        method: how they are computed.
        ridge: the penalty, in units of the mean variance of a feature.
        rank: main directions of each modality that are kept before anything is fitted; all by
            default.
        trained: whether training continues from them, or they stay as they are.
    """

    method: Literal["least_squares", "procrustes", "cca", "relative"] = "least_squares"
    ridge: Annotated[float, Field(ge=0, le=1_000)] = 0.1
    rank: Annotated[int, Field(ge=1, le=4096)] | None = None
    trained: bool = False


class Map(nn.Module):
    """A linear map of centred features; what it gives has the length ``sqrt(dim)``.

    Attributes:
        mean: ``(width,)``.
        weight: ``(width, dim)``, zeros until it is fitted.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, config: Config, width: int, dim: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(width))
        if config.trained:
            self.weight = nn.Parameter(torch.zeros(width, dim))
        else:
            self.register_buffer("weight", torch.zeros(width, dim))

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, width)`` to ``(batch, dim)``."""
        rows = features - self.mean
        if self.config.method == "relative":
            rows = F.normalize(rows, dim=1)
        found: Tensor = F.normalize(rows @ self.weight, dim=1) * self.weight.shape[1] ** 0.5
        return found

    def put(self, mean: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
        """Set the map."""
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean))
            self.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))


def fit(
    projectors: Mapping[str, Map],
    vectors: Mapping[str, NDArray[np.floating]],
    present: NDArray[np.bool_],
) -> None:
    """Compute the maps from training records.

    Args:
        projectors: modality name to its map.
        vectors: modality name to features ``(n, width)``; absent rows are never read.
        present: ``(n, modalities)``, modalities sorted by name.

    Raises:
        UserError: too few records have a modality together with another one.
    """
    names = sorted(projectors)
    has = {name: present[:, column] for column, name in enumerate(names)}
    means = {name: vectors[name][has[name]].mean(axis=0, dtype=np.float64) for name in names}
    centred = {
        name: np.where(has[name][:, None], vectors[name] - means[name], 0.0) for name in names
    }
    paired = present.sum(axis=1) > 1 if len(names) > 1 else present.any(axis=1)
    for name in names:
        if (count := int((has[name] & paired).sum())) < _LEAST:
            raise UserError(
                f"model.projector maps: got {count} training records with {name} and another "
                f"modality, wanted at least {_LEAST}; use the projector linear, or leave {name} out"
            )
    first = projectors[names[0]]
    dim, config = first.weight.shape[1], first.config
    kept = {}
    for name in names if config.rank is not None else ():
        rank = min(int(config.rank or 0), centred[name].shape[1])
        kept[name] = principal(centred[name][has[name]], rank)
        centred[name] = centred[name] @ kept[name]
    if len(names) == 1:
        weights = {name: principal(centred[name], dim) for name in names}
    elif config.method == "cca":
        weights = canonical({n: centred[n][paired] for n in names}, dim, config.ridge)
    elif config.method == "relative":
        weights = _anchors(centred, present, dim)
    else:
        weights = _towards_one(centred, has, dim, config)
    for name in names:
        own = kept[name] @ weights[name] if name in kept else weights[name]
        projectors[name].put(means[name], own)


def _towards_one(
    centred: Mapping[str, NDArray[np.float64]],
    has: Mapping[str, NDArray[np.bool_]],
    dim: int,
    config: Config,
) -> dict[str, NDArray[np.float64]]:
    """Maps into the main directions of the modality that most records have."""
    target = max(sorted(centred), key=lambda name: int(has[name].sum()))
    found = {target: principal(centred[target][has[target]], dim)}
    for name in sorted(set(centred) - {target}):
        both = has[name] & has[target]
        if int(both.sum()) < _LEAST:
            raise UserError(
                f"model.projector maps: got {int(both.sum())} training records with {name} and "
                f"{target}, wanted at least {_LEAST}; use method: cca, or the projector linear"
            )
        x, y = centred[name][both], centred[target][both] @ found[target]
        if config.method == "least_squares":
            found[name] = ridge(x, y, config.ridge)
        else:
            basis = principal(centred[name][has[name]], dim)
            found[name] = basis @ rotation(x @ basis, y)
    return found


def _anchors(
    centred: Mapping[str, NDArray[np.float64]], present: NDArray[np.bool_], dim: int
) -> dict[str, NDArray[np.float64]]:
    """Unit vectors of records that have all modalities, evenly spaced over them, as columns."""
    whole = np.flatnonzero(present.all(axis=1))
    if len(whole) < _LEAST:
        raise UserError(
            f"model.projector maps: got {len(whole)} training records with all of "
            f"{', '.join(sorted(centred))}, wanted at least {_LEAST} as anchors; use method: cca"
        )
    rows = whole[np.linspace(0, len(whole) - 1, min(dim, len(whole))).astype(int)]
    found = {}
    for name, x in centred.items():
        anchors = x[rows] / np.linalg.norm(x[rows], axis=1, keepdims=True).clip(1e-12)
        found[name] = np.pad(anchors.T, ((0, 0), (0, dim - len(rows))))
    return found


def build(config: Config, *, width: int, dim: int) -> Map:
    """A new map from features ``(batch, width)`` to ``(batch, dim)``; `fit` fills it."""
    return Map(config, width, dim)
