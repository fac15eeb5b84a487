"""Labels spread along the graph of mutual nearest neighbours, from the labelled records to all.

``W = sum_m omega_m W^m`` with ``W^m_ij`` the cosine of two records in modality ``m`` where each is
among the ``k`` nearest of the other, ``S = D^-1/2 W D^-1/2``, and ``F`` the limit of
``F <- a S F + (1 - a) Y``, which is ``(1 - a) (I - a S)^-1 Y``. The label is ``argmax F_i``, its
weight ``1 - H(F_i) / log K`` of ``F_i`` scaled to sum 1. A record that no path joins to a label
gets none. Of sets ``Y`` spreads beside ``1 - Y``, and a class has the share that its yes has of
both.

Source: label spreading, Zhou et al. 2003, Learning with local and global consistency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.parts.graphs import nearest, normalised, one_way, propagated
from components.parts.labellers import fixed
from components.parts.labellers._sets import label_sets
from components.parts.labellers._single import label_classes
from components.parts.labelling import Evidence, Labeller, PseudoLabels, Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

METHOD = {
    "id": "S10",
    "name": "label propagation on a mutual kNN graph",
    "for": "a pool whose classes are clusters of some modality",
    "needs": "a frozen encoder, records without a label",
    "use": "labeller: graph",
}
READS_RECORDS = True


@dataclass(frozen=True, kw_only=True)
class Config:
    """The graph, and how far labels spread.

    Attributes:
        neighbours: ``k``, in each modality.
        share: ``a``, what a record takes from its neighbours.
        weights: of the modalities: ``even``, or ``evidence``: by how much better than the most
            frequent class each answers held-out labelled records alone.
        floor: weight below which nothing is accepted.
    """

    neighbours: Annotated[int, Field(ge=1, le=1_000)] = 15
    share: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weights: Literal["even", "evidence"] = "evidence"
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0


def mutual(features: Mapping[str, Vectors], k: int) -> "csr_array":
    """Cosines ``(n, n)`` of records among each other's ``k`` nearest, in the views of a modality.

    Args:
        features: view name to ``(n, dim)``; zeros where a record lacks it.
        k: number of neighbours.
    """
    parts = []
    for x in features.values():
        lengths = np.linalg.norm(x, axis=1, keepdims=True)
        parts.append(x / np.maximum(lengths, 1e-12) / np.sqrt(len(features)))
    unit = np.ascontiguousarray(np.hstack(parts), dtype=np.float32)
    cosines, found = nearest(unit, k + 1)
    edges = one_way(cosines, found, len(unit))
    both: csr_array = edges.minimum(edges.T)
    return both


def spread(
    graphs: Mapping[str, "csr_array"],
    weights: Mapping[str, float],
    start: NDArray[np.float64],
    share: float,
) -> NDArray[np.float64]:
    """``F`` of a start ``Y (n, columns)`` along the weighted sum of graphs ``(n, n)``."""
    names = sorted(graphs)
    total = weights[names[0]] * graphs[names[0]]
    for name in names[1:]:
        total = total + weights[name] * graphs[name]
    return np.maximum(propagated(normalised(total), start, share, tolerance=1e-6), 0.0)


def shares(held_out: Evidence, labels: NDArray[np.int64]) -> dict[str, float]:
    """Weights of the modalities, which sum to 1, by held-out labelled records; even without any."""
    names, gains = sorted(held_out.by_modality), []
    for column, name in enumerate(names):
        has = held_out.present[:, column]
        p, told = held_out.by_modality[name][has], labels[has]
        if not len(told):
            gains.append(0.0)
        elif labels.ndim == 1:
            chance = np.bincount(told).max() / len(told)
            gains.append(max(float((p.argmax(axis=1) == told).mean() - chance), 0.0))
        else:
            known = told >= 0
            right = ((p >= 0.5) == (told == 1))[known].mean() if known.any() else 0.0
            plain = np.where(known, told == 1, 0).mean(axis=0)
            gains.append(max(float(right - np.maximum(plain, 1 - plain).mean()), 0.0))
    total = sum(gains)
    even = 1 / len(names)
    # A modality is never left out entirely: few labels are a poor judge.
    return {
        n: 0.1 * even + 0.9 * (g / total if total else even)
        for n, g in zip(names, gains, strict=True)
    }


def distributions(
    config: Config, pool: Evidence, held_out: Evidence, labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What reaches the pool ``(n, columns)``: of sets each class's yes, then each class's no."""
    own, known = (each.asked("graph").features() for each in (pool, held_out))
    count, classes = pool.fused.shape
    start = np.zeros((count + len(labels), classes if labels.ndim == 1 else 2 * classes))
    start[count:] = (
        np.eye(classes)[labels] if labels.ndim == 1 else np.hstack([labels == 1, labels == 0])
    )
    by_modality: dict[str, dict[str, Vectors]] = {}
    for view in own:
        both = np.concatenate([own[view], known[view]])
        by_modality.setdefault(view.partition("/")[0], {})[view] = both
    graphs = {name: mutual(views, config.neighbours) for name, views in by_modality.items()}
    weights = dict.fromkeys(graphs, 1.0)
    if config.weights == "evidence":
        weights |= {n: w for n, w in shares(held_out, labels).items() if n in graphs}
    return spread(graphs, weights, start, config.share)[:count]


def label(
    config: Config,
    pool: Evidence,
    held_out: Evidence,
    labels: NDArray[np.int64],
    prior: NDArray[np.float64],
) -> PseudoLabels:
    """Label a pool; see `Labeller`."""
    del prior
    count, classes = pool.fused.shape
    if not count or not len(labels):
        found = np.zeros((count, classes if labels.ndim == 1 else 2 * classes))
    else:
        found = distributions(config, pool, held_out, labels)
    if labels.ndim > 1:
        yes, no = found[:, :classes], found[:, classes:]
        p = np.where(yes + no > 0, yes / np.maximum(yes + no, 1e-300), 0.5)
        return label_sets(fixed.Config(agree=0), replace(pool, fused=p))
    mass = found.sum(axis=1, keepdims=True)
    p = np.where(mass > 0, found / np.maximum(mass, 1e-300), 1 / classes)
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
    confidence = np.clip(1 - entropy / np.log(max(classes, 2)), 0.0, 1.0)
    apart = mass[:, 0] <= 0
    return label_classes(
        pool, p, confidence, floor=config.floor, barred=apart, why="no path to a label"
    )


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
