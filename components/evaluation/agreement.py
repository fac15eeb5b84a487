"""Which views of two modalities already agree, before anything is trained: what to align.

Source: linear CKA, Kornblith et al. 2019, Similarity of neural network representations revisited
(arXiv:1905.00414); mutual nearest neighbours, Huh et al. 2024, The platonic representation
hypothesis (arXiv:2405.07987); representational similarity, Kriegeskorte et al. 2008. As a choice of
what to align: Gröger et al. 2025 (arXiv:2506.16895).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from components.evaluation.galleries import evenly
from components.features import tfidf
from components.features.modality import rebuilt
from components.features.store import Features
from components.parts.contracts import is_sparse

METHOD = {
    "id": "A02",
    "name": "choice of encoders and layers without training: CKA, mutual nearest neighbours, RSA",
    "for": "knowing which encoders or layers of two modalities are worth aligning, before training",
    "needs": "two modalities of one record; several frozen encoders, or layers of one, to choose "
    "from",
    "use": "name several under `modalities`, as {text: {encoders: [minilm, {name: transformers, "
    "model: FOLDER, layer: 3}]}}; the report of `concord run CONFIG` ranks their pairs under "
    "Search",
}
SAMPLE = 1_000
"""Training records that have both modalities, evenly spaced."""
NEIGHBOURS = 10
_LEAST = 20
"""Fewest records that give a figure."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two views agree on records.

    Attributes:
        first: a view.
        second: one of another modality.
        cka: linear CKA, from 0 to 1.
        neighbours: share of the nearest records that both find near.
        ranks: rank correlation of all similarities.
        records: that it was measured on.
    """

    first: str
    second: str
    cka: float
    neighbours: float
    ranks: float
    records: int


def cka(x: Array, y: Array) -> float:
    """Linear CKA ``||X^T Y||^2 / (||X^T X|| ||Y^T Y||)`` of centred rows ``(n, dim)``."""
    return _cka(_products(x), _products(y))


def mutual_neighbours(x: Array, y: Array, k: int = NEIGHBOURS) -> float:
    """Mean share of the ``k`` nearest rows by cosine that are the same in both."""
    return _mutual(_cosines(_products(x)), _cosines(_products(y)), k)


def rank_correlation(x: Array, y: Array) -> float:
    """Spearman's correlation of the cosines of all pairs of rows; 0 where one's are constant."""
    return _ranks(_cosines(_products(x)), _cosines(_products(y)))


def agreements(features: Features) -> list[Agreement]:
    """All pairs of fixed views of two modalities, those that agree most first.

    They are ordered by mutual neighbours. Views that are yet to be learned are left out.
    """
    train, found = features.rows("train"), []
    for (i, a), (j, b) in combinations(enumerate(features.names), 2):
        both = train[features.present[train, i] & features.present[train, j]]
        if len(both) < _LEAST:
            continue
        rows = both[evenly(len(both), SAMPLE)]
        left, right = _fixed(features, a, rows), _fixed(features, b, rows)
        found += [
            Agreement(
                first=first,
                second=second,
                cka=_cka(x, y),
                neighbours=_mutual(_cosines(x), _cosines(y), min(NEIGHBOURS, len(rows) - 1)),
                ranks=_ranks(_cosines(x), _cosines(y)),
                records=len(rows),
            )
            for first, x in left.items()
            for second, y in right.items()
        ]
    return sorted(found, key=lambda one: -one.neighbours)


def _fixed(features: Features, name: str, rows: NDArray[np.int64]) -> dict[str, Array]:
    """View name to products ``(k, k)`` of the centred rows of each fixed view of a modality."""
    found = {}
    for view, encoder in rebuilt(name, features.specs[name]).encoders.items():
        inputs = features.arrays[view][rows]
        if is_sparse(encoder):
            weighted = tfidf.weighted(inputs, tfidf.idf(inputs))
            found[view] = _centred((weighted @ weighted.T).toarray().astype(np.float64))
            continue
        network = encoder.network()
        if not network.light_dim:
            continue
        with torch.inference_mode():
            network.fit_statistics(torch.from_numpy(np.asarray(inputs)))
            light = network.light(torch.from_numpy(np.asarray(inputs))).double().numpy()
        found[view] = _products(light)
    return found


def _products(x: Array) -> Array:
    return _centred(x @ x.T)


def _centred(products: Array) -> Array:
    """Products of rows less their mean."""
    rows = products - products.mean(axis=0)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def _cosines(products: Array) -> Array:
    length = np.sqrt(np.diag(products).clip(1e-12))
    return np.asarray(products / length / length[:, None])


def _cka(x: Array, y: Array) -> float:
    return float((x * y).sum() / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-12))


def _mutual(x: Array, y: Array, k: int) -> float:
    near = []
    for own in (x, y):
        others = own.copy()
        np.fill_diagonal(others, -np.inf)
        marks = np.zeros(own.shape, np.bool_)
        np.put_along_axis(marks, np.argpartition(-others, k - 1, axis=1)[:, :k], True, axis=1)
        near.append(marks)
    return float((near[0] & near[1]).sum() / (k * len(x)))


def _ranks(x: Array, y: Array) -> float:
    above = np.triu_indices(len(x), 1)
    left, right = x[above], y[above]
    if np.ptp(left) == 0 or np.ptp(right) == 0:  # a view that is alike for all records
        return 0.0
    return float(spearmanr(left, right).statistic)
