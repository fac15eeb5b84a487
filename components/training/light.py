"""What light heads read of a data set: every view that is fixed, standardised and shortened."""

from dataclasses import dataclass
from typing import cast

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


@dataclass(frozen=True, kw_only=True)
class LightViews:
    """The views of ``n`` records, and the way back to the model.

    Attributes:
        views: rows of about unit length ``(n, k)``.
        bases: view name to orthonormal columns ``(dim, k)`` that shortened it.
        reductions: name of a sparse view to the weights of its buckets, and what shortened it.
        means: view name to ``(dim,)``.
        scales: view name to ``(dim,)``.
    """

    views: Views
    bases: dict[str, NDArray[np.float32]]
    reductions: dict[str, tuple[NDArray[np.float32], Reduction]]
    means: dict[str, NDArray[np.float32]]
    scales: dict[str, NDArray[np.float32]]


def light_views(model: Model, features: Features) -> LightViews | None:
    """Read all records of a data set through the fixed part of a model's encoders.

    Means, deviations and directions come from all training records, labelled or not.

    Returns:
        None where no view is fixed.
    """
    train = features.rows("train")
    found, present, bases, means, scales = {}, {}, {}, {}, {}
    reductions: dict[str, tuple[NDArray[np.float32], Reduction]] = {}
    for column, name in enumerate(features.names):
        for view in model.views[name]:
            if view not in model.committee.views or not features.present[train, column].any():
                continue
            has = features.present[:, column]
            encoder = cast(ViewNetwork, model.encoders[view])
            light = _light(encoder, features, view, has)
            known = light[train[has[train]]]
            means[view] = known.mean(axis=0)
            deviation = known.std(axis=0)
            scales[view] = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)
            linear = LinearView(light.shape[1], 0)
            _place(linear, means[view], scales[view])
            with torch.inference_mode():
                x = linear.standardised(torch.from_numpy(light)).numpy()
            x[~has] = 0
            bases[view] = _directions(x[train[has[train]]])
            found[view], present[view] = x @ bases[view], has
        for view in model.sparse[name]:
            has = features.present[:, column]
            if (reduced := _reduced(features.arrays[view], train[has[train]])) is not None:
                found[view], present[view] = reduced[0], has
                reductions[view] = reduced[1]
    if not found:
        return None
    views = Views(features=found, present=present)
    return LightViews(views=views, bases=bases, reductions=reductions, means=means, scales=scales)


def put_into(model: Model, light: LightViews, committee: Committee) -> None:
    """Give a model the committee's last fit, which saw all labelled records."""
    constant = torch.from_numpy(committee.constant[-1])
    model.committee.constant.copy_(constant)
    for view, linear in committee.maps.items():
        last = Linear(weight=linear.weight[-1:], bias=linear.bias[-1:])
        if view in light.reductions:
            idf, reduction = light.reductions[view]
            cast(SparseView, model.committee.views[view]).put(idf, reduction, last)
            continue
        last = last.within(light.bases[view])
        place = cast(LinearView, model.committee.views[view])
        _place(place, light.means[view], light.scales[view])
        place.weight.copy_(torch.from_numpy(last.weight[0]))
        place.bias.copy_(torch.from_numpy(last.bias[0]))


def _place(linear: LinearView, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
    linear.mean.copy_(torch.from_numpy(mean))
    linear.scale.copy_(torch.from_numpy(scale))


def _light(
    encoder: ViewNetwork, features: Features, view: str, has: NDArray[np.bool_]
) -> NDArray[np.float32]:
    out = np.zeros((len(has), encoder.light_dim), np.float32)
    at = np.flatnonzero(has)
    with torch.inference_mode():
        for start in range(0, len(at), _BATCH):
            rows = at[start : start + _BATCH]
            out[rows] = encoder.light(torch.from_numpy(np.asarray(features.arrays[view][rows])))
    return out


def _reduced(
    counts: Rows, train: NDArray[np.int64]
) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], Reduction]] | None:
    """Weighted counts ``(n, k)``, and what made them; None where there is nothing to count."""
    known = counts[train]
    if not known.nnz:
        return None
    idf = tfidf.idf(known)
    found = tfidf.reduction(tfidf.weighted(known, idf), DIRECTIONS)
    return found.transform(tfidf.weighted(counts, idf)), (idf, found)


def _directions(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Orthonormal columns ``(dim, k)`` along which rows ``(n, dim)`` differ most from zero."""
    dim = x.shape[1]
    if dim <= DIRECTIONS:
        return np.eye(dim, dtype=np.float32)
    _, vectors = np.linalg.eigh((x.T @ x).astype(np.float64))
    return np.ascontiguousarray(vectors[:, ::-1][:, :DIRECTIONS], dtype=np.float32)
