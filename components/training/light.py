"""What light heads read of a data set: every view that is fixed, standardised and shortened."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from components.model.subsets import REST
from components.parts.network import ViewNetwork
from components.training.committee import Committee
from components.training.views import Views, modality_of

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
        basis: columns ``(dim, k)``, orthonormal but for rounding, that shorten it.
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


Made = Fixed | Counted


def ways(model: Model, features: Features) -> dict[str, Made]:
    """How every view that is fixed becomes what light heads read, by view name.

    Means, deviations, weights and directions come from the training records, labelled or not; of
    very many, from an evenly spaced part.
    """
    train = features.rows("train")
    found: dict[str, Made] = {}
    for column, name in enumerate(features.names):
        known = train[features.present[train, column]]
        for view in _light_of(model, name) if len(known) else []:
            inputs = features.arrays[view]
            made = (
                _counted(inputs, known)
                if view in model.sparse.get(name, [])
                else _fixed(cast(ViewNetwork, model.encoders[view]), inputs, known)
            )
            if made is not None:
                found[view] = made
    return found


def light_views(
    model: Model,
    features: Features,
    made: Mapping[str, Made],
    rows: NDArray[np.int64] | None = None,
) -> Views:
    """Read records of a data set through the fixed part of a model's encoders.

    Args:
        model: with all views of ``made``.
        features: the data set.
        made: from ``ways``; views that it lacks are left out.
        rows: ``(k,)`` the records to read, all by default; others have no view.
    """
    among = np.ones(len(features.ids), np.bool_)
    if rows is not None:
        among = np.isin(np.arange(len(among)), rows)
    found: dict[str, NDArray[np.float32]] = {}
    present: dict[str, NDArray[np.bool_]] = {}
    for column, name in enumerate(features.names):
        for view in [view for view in _light_of(model, name) if view in made]:
            has, way = features.present[:, column] & among, made[view]
            inputs = features.arrays[view]
            found[view] = (
                _weighted(inputs, has, way)
                if isinstance(way, Counted)
                else _shortened(cast(ViewNetwork, model.encoders[view]), inputs, has, way)
            )
            present[view] = has
    return Views(features=found, present=present)


def _light_of(model: Model, name: str) -> list[str]:
    """The views of a modality that light heads can read; none of one that the model lacks."""
    dense = [view for view in model.views.get(name, []) if view in model.committee.views]
    return [*dense, *model.sparse.get(name, [])]


def _fixed(encoder: ViewNetwork, inputs: Rows, known: NDArray[np.int64]) -> Fixed:
    light = _light(encoder, inputs[known[:: -(-len(known) // _SAMPLE)]])
    mean, deviation = light.mean(axis=0), light.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)
    standard = _standardised(_linear(mean, scale), light)
    return Fixed(mean=mean, scale=scale, basis=_halved(_directions(standard)))


def _shortened(
    encoder: ViewNetwork, inputs: Rows, has: NDArray[np.bool_], way: Fixed
) -> NDArray[np.float32]:
    """Rows ``(n, k)``, zeros where the view is absent."""
    linear = _linear(way.mean, way.scale)
    found = np.zeros((len(has), way.basis.shape[1]), np.float32)
    at = np.flatnonzero(has)
    for start in range(0, len(at), _BATCH):
        rows = at[start : start + _BATCH]
        found[rows] = _standardised(linear, _light(encoder, inputs[rows])) @ way.basis
    return found


def _linear(mean: NDArray[np.float32], scale: NDArray[np.float32]) -> LinearView:
    linear = LinearView(len(mean), 0)
    linear.mean, linear.scale = torch.from_numpy(mean), torch.from_numpy(scale)
    return linear


def _counted(counts: Rows, known: NDArray[np.int64]) -> Counted | None:
    """None where there is nothing to count."""
    seen = counts[known]
    if not seen.nnz:
        return None
    idf = tfidf.idf(seen)
    found = tfidf.reduction(tfidf.weighted(seen, idf), DIRECTIONS)
    return Counted(idf=idf, reduction=replace(found, components=_halved(found.components)))


def _weighted(counts: Rows, has: NDArray[np.bool_], way: Counted) -> NDArray[np.float32]:
    """Rows ``(n, k)``, zeros where the view is absent."""
    at = np.flatnonzero(has)
    found = np.zeros((len(has), len(way.reduction.components)), np.float32)
    found[at] = way.reduction.transform(tfidf.weighted(counts[at], way.idf))
    return found


def put_into(
    model: Model,
    made: Mapping[str, Made],
    committee: Committee,
    shift: NDArray[np.float64] | None = None,
) -> None:
    """Give a model the committee's last fit, which saw all labelled records.

    Args:
        model: takes it.
        made: how the committee's views are made.
        committee: with the shift in its constant.
        shift: to the shares of the classes among all records ``(classes,)``; none by default.
    """
    head, seats = model.committee, committee.seats
    read = {modality_of(view) for seat in seats.values() for view in seat.maps.of}
    taken = [read if key == REST else key.split("+") for key in seats]
    head.put(
        np.array([[name in own for name in model.names] for own in taken]),
        np.stack([seat.maps.constant[-1] for seat in seats.values()]),
        np.zeros(model.target.width) if shift is None else shift,
    )
    near, start = committee.neighbours, 0
    if near is not None:
        head.neighbours.put(
            near.vectors, near.distributions[-1], near.offset, float(near.factors[-1])
        )
    for view, way in made.items():
        dim = _dim(way)
        if near is not None:
            share = near.shares.get(view, 0.0)
            columns = range(start, start + (dim if share else 0))
            seen = cast(LinearView | SparseView, head.views[view])
            seen.put_place(columns, near.vectors.shape[1], share**0.5)
            start = columns.stop
        weight = np.zeros((dim, len(seats), model.target.width), np.float32)
        bias = np.zeros(weight.shape[1:], np.float32)
        for number, seat in enumerate(seats.values()):
            if view in seat.maps.of:
                found = seat.maps.of[view]
                weight[:, number], bias[number] = found.weight[-1], found.bias[-1]
        if isinstance(way, Counted):
            sparse, reduction = cast(SparseView, head.views[view]), way.reduction
            sparse.put(way.idf, reduction.buckets)
            sparse.put_maps(np.ascontiguousarray(reduction.components.T), weight, bias)
        else:
            linear = cast(LinearView, head.views[view])
            linear.put(way.mean, way.scale)
            linear.put_maps(way.basis, weight, bias)


def _dim(way: Made) -> int:
    """How many numbers maps read of a view."""
    return way.basis.shape[1] if isinstance(way, Fixed) else len(way.reduction.components)


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


def _halved(directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions that half the bytes hold on disk: what is fitted after this reads just these."""
    return directions.astype(np.float16).astype(np.float32)


def _directions(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Orthonormal columns ``(dim, k)`` along which rows ``(n, dim)`` differ most from zero."""
    dim = x.shape[1]
    if dim <= DIRECTIONS:
        return np.eye(dim, dtype=np.float32)
    _, vectors = np.linalg.eigh((x.T @ x).astype(np.float64))
    return np.ascontiguousarray(vectors[:, ::-1][:, :DIRECTIONS], dtype=np.float32)
