"""The floor: a linear probe and a vote of the nearest labelled records, on features as they are.

(a) ``softmax(W h + b)`` with class-balanced weights, its penalty by cross-validation. (b) ``p_c``
proportional to ``sum_(i in kNN) exp(cos_i / tau) [y_i = c]``. No method is worth its trouble if it
does not beat the better of both on as many labels.

Source: linear probes, Alain & Bengio 2016 (arXiv:1610.01644); the weighted vote, Wu et al. 2018,
Unsupervised feature learning via non-parametric instance discrimination (arXiv:1805.01978).
"""

import numpy as np
from numpy.typing import NDArray

from components.parts.heads import logistic
from components.parts.linear import activated
from components.parts.linear import class_means as _means

METHOD = [
    {
        "id": "H01a",
        "name": "linear probe, class-balanced, penalty by cross-validation",
        "for": "the floor that every method must beat at the same number of labels",
        "needs": "frozen features, labels of every class",
        "use": "python -m benchmarks.methods H01",
    },
    {
        "id": "H01b",
        "name": "nearest-neighbour vote",
        "for": "the floor where classes are clusters, and classes that come and go",
        "needs": "frozen features, labels of every class",
        "use": "python -m benchmarks.methods H01",
    },
]
_FOLDS = 4


def vote(
    store: NDArray[np.floating],
    codes: NDArray[np.int64],
    asked: NDArray[np.floating],
    classes: int,
    *,
    k: int = 20,
    tau: float = 0.07,
) -> NDArray[np.float64]:
    """``p (n, classes)`` by the ``k`` nearest of labelled records.

    Args:
        store: features of the labelled records ``(m, dim)``.
        codes: their classes ``(m,)``.
        asked: features ``(n, dim)``.
        classes: number of classes.
        k: neighbours that vote; all where there are fewer.
        tau: temperature of the cosines; 0.07 is that of the paper.
    """
    cosines = _unit(asked) @ _unit(store).T
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    own = np.take_along_axis(cosines, near, axis=1)
    strength = np.exp((own - own.max(axis=1, keepdims=True)) / tau)
    found = np.zeros((len(asked), classes))
    np.add.at(found, (np.arange(len(asked))[:, None], codes[near]), strength)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def probe(
    store: NDArray[np.floating],
    codes: NDArray[np.int64],
    asked: NDArray[np.floating],
    classes: int,
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """``p (n, classes)`` by logistic regression; see ``vote`` for the arguments.

    The strength is the one that makes records of left out folds likeliest. Features are centred,
    and scaled alike: directions that hardly vary would be noise at full size.
    """
    centre = store.mean(axis=0)
    size = max(float(np.sqrt(np.square(store - centre).sum(axis=1).mean())), 1e-12)
    x, z = (((each - centre) / size).astype(np.float32) for each in (store, asked))
    targets = np.eye(classes)[codes]
    balance = targets @ (1 / np.maximum(targets.sum(axis=0), 1))
    folds = np.random.default_rng(seed).permutation(len(codes)) % _FOLDS
    held = (folds[:, None] != np.arange(_FOLDS)) * balance[:, None]
    weights = np.column_stack([held, balance]) * len(codes) / classes
    best: tuple[float, NDArray[np.float64]] | None = None
    for found in logistic.build(logistic.Config()).path(x, targets, weights, "softmax"):
        own = np.stack([found.logits(x, fold) for fold in range(_FOLDS)])[folds, np.arange(len(x))]
        loss = -float((balance * activated(own.astype(np.float64), targets, "softmax")[1]).sum())
        if best is None or loss < best[0]:
            logits = found.logits(z, _FOLDS).astype(np.float64)
            best = loss, np.asarray(activated(logits, np.zeros_like(logits), "softmax")[0])
    assert best is not None
    return best[1]


def nearest_prototype(
    store: NDArray[np.floating], codes: NDArray[np.int64], asked: NDArray[np.floating], classes: int
) -> NDArray[np.float64]:
    """Cosines ``(n, classes)`` with the mean of each class; see ``vote`` for the arguments."""
    means, masses = _means(_unit(store), np.eye(classes)[codes], np.ones(len(codes)))
    return np.where(masses > 0, _unit(asked) @ _unit(means).T, -1.0)


def _unit(x: NDArray[np.floating]) -> NDArray[np.float64]:
    found = x.astype(np.float64)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))
