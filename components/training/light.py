"""What light heads read of a data set: every view that is fixed, standardised and shortened."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from components.features import tfidf
from components.features.rows import Rows
from components.features.store import Features
from components.features.tfidf import Reduction
from components.model.committee import LinearView, SparseView
from components.model.network import Model
from components.parts.linear import Linear
from components.parts.network import ViewNetwork
from components.training.committee import Committee, Views

DIRECTIONS = 256
"""Directions of greatest variance that are kept of a view; more changed little and cost time."""
_BATCH = 2048
_SAMPLE = 50_000


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """How the fixed part of a view becomes rows of about unit length.

    Attributes:
        mean: ``(dim,)``.
        scale: ``(dim,)``.
        basis: orthonormal columns ``(dim, k)`` that shorten it.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    basis: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How the counts of a sparse view become rows of at most unit length.

    Attributes:
        idf: weights of the buckets.
        reduction: what shortens the weighted rows.
    """

    idf: NDArray[np.float32]
    reduction: Reduction


@dataclass(frozen=True, kw_only=True)
class LightViews:
    """The views of ``n`` records, and the way back to the model.

    Attributes:
        views: rows ``(n, k)``.
        made: view name to how its rows were made.
    """

    views: Views
    made: dict[str, Fixed | Counted]


def light_views(model: Model, features: Features) -> LightViews | None:
    """Read all records of a data set through the fixed part of a model's encoders.

    Means, deviations, weights and directions come from the training records, labelled or not; of
    very many, from an evenly spaced part.

    Returns:
        None where no view is fixed.
    """
    train = features.rows("train")
    found: dict[str, NDArray[np.float32]] = {}
    present: dict[str, NDArray[np.bool_]] = {}
    made: dict[str, Fixed | Counted] = {}
    for column, name in enumerate(features.names):
        has = features.present[:, column]
        known = train[has[train]]
        dense = [view for view in model.views[name] if view in model.committee.views]
        for view in [*dense, *model.sparse[name]] if len(known) else []:
            inputs, encoder = features.arrays[view], model.encoders
            read = (
                _fixed(cast(ViewNetwork, encoder[view]), inputs, has, known)
                if view in dense
                else _counted(inputs, known)
            )
            if read is not None:
                (found[view], made[view]), present[view] = read, has
    views = Views(features=found, present=present)
    return LightViews(views=views, made=made) if found else None


def _fixed(
    encoder: ViewNetwork, inputs: Rows, has: NDArray[np.bool_], known: NDArray[np.int64]
) -> tuple[NDArray[np.float32], Fixed]:
    """Rows ``(n, k)``, zeros where the view is absent, and what made them."""
    light = _light(encoder, inputs[known[:: -(-len(known) // _SAMPLE)]])
    mean, deviation = light.mean(axis=0), light.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)
    linear = LinearView(light.shape[1], 0)
    linear.mean, linear.scale = torch.from_numpy(mean), torch.from_numpy(scale)
    basis = _directions(_standardised(linear, light))
    found = np.zeros((len(has), basis.shape[1]), np.float32)
    at = np.flatnonzero(has)
    for start in range(0, len(at), _BATCH):
        rows = at[start : start + _BATCH]
        found[rows] = _standardised(linear, _light(encoder, inputs[rows])) @ basis
    return found, Fixed(mean=mean, scale=scale, basis=basis)


def _counted(counts: Rows, known: NDArray[np.int64]) -> tuple[NDArray[np.float32], Counted] | None:
    """Rows ``(n, k)`` and what made them; None where there is nothing to count."""
    seen = counts[known]
    if not seen.nnz:
        return None
    idf = tfidf.idf(seen)
    reduction = tfidf.reduction(tfidf.weighted(seen, idf), DIRECTIONS)
    rows = reduction.transform(tfidf.weighted(counts, idf))
    return rows, Counted(idf=idf, reduction=reduction)


def put_into(model: Model, light: LightViews, committee: Committee) -> None:
    """Give a model the committee's last fit, which saw all labelled records."""
    model.committee.constant.copy_(torch.from_numpy(committee.constant[-1]))
    for view, linear in committee.maps.items():
        last = Linear(weight=linear.weight[-1:], bias=linear.bias[-1:])
        made, place = light.made[view], model.committee.views[view]
        if isinstance(made, Counted):
            cast(SparseView, place).put(made.idf, made.reduction, last)
        else:
            cast(LinearView, place).put(made.mean, made.scale, last.within(made.basis))


def _light(encoder: ViewNetwork, inputs: NDArray[Any]) -> NDArray[np.float32]:
    with torch.inference_mode():
        parts = [
            encoder.light(torch.from_numpy(np.asarray(inputs[start : start + _BATCH]))).float()
            for start in range(0, len(inputs), _BATCH)
        ]
    found: NDArray[np.float32] = torch.cat(parts).numpy()
    return found


def _standardised(linear: LinearView, light: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        found: NDArray[np.float32] = linear.standardised(torch.from_numpy(light)).numpy()
    return found


def _directions(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Orthonormal columns ``(dim, k)`` along which rows ``(n, dim)`` differ most from zero."""
    dim = x.shape[1]
    if dim <= DIRECTIONS:
        return np.eye(dim, dtype=np.float32)
    _, vectors = np.linalg.eigh((x.T @ x).astype(np.float64))
    return np.ascontiguousarray(vectors[:, ::-1][:, :DIRECTIONS], dtype=np.float32)
