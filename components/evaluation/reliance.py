"""Which modalities a model's answers rest on: what a shuffle, a swap and each alone do to them.

Importance of modality m is ``D_m = metric(x) - mean metric(x with m shuffled over records)``. In a
conflict, modality m comes from a record of another class: the answer follows m, the rest, or
neither. A modality alone that is nearly as good as all, while no other matters, is a shortcut.

Source: permutation importance, Breiman 2001 (Random Forests) and Fisher et al. 2019; modality bias
as in Modality Bias in VidQA (MIS, 2024); conflicts as in Words or Vision (2025).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.rows import Rows
from components.features.store import Features
from components.model.inference import infer
from components.model.network import Model

METHOD = {
    "id": "E03",
    "name": "modality reliance",
    "for": "seeing which modalities the answers rest on, and shortcuts",
    "needs": "labelled test records with two modalities",
    "use": "concord evaluate CONFIG --reliance",
}

_MOST = 2000
"""Records that are asked about."""
_NEARLY, _IDLE = 0.95, 0.05
"""Share of the whole score that a shortcut reaches alone, and what the others add at most."""


@dataclass(frozen=True, kw_only=True)
class OfModality:
    """One modality.

    Attributes:
        importance: ``D_m``: what the figure loses when the modality is shuffled.
        alone: the figure from this modality alone, on records that have it.
        follows: share of conflicts whose answer is the class of this modality's donor; NaN where a
            record has a set of classes.
        resists: share of conflicts whose answer stays the record's own class.
        shortcut: whether this modality alone is nearly as good as all, and no other matters.
    """

    importance: float
    alone: float
    follows: float
    resists: float
    shortcut: bool


@dataclass(frozen=True, kw_only=True)
class Reliance:
    """What answers rest on.

    Attributes:
        figure: its name.
        whole: the figure from all modalities.
        modalities: by name, the most important first.
        solvable: ``(n, modalities)``: the answer from the modality alone is right.
        rows: ``(n,)`` positions of the records that were asked about.
    """

    figure: str
    whole: float
    modalities: dict[str, OfModality]
    solvable: NDArray[np.bool_]
    rows: NDArray[np.int64]

    @property
    def by_one(self) -> float:
        """Share of records that some modality alone answers right."""
        return float(self.solvable.any(axis=1).mean())

    def told(self) -> dict[str, Any]:
        """For ``metrics.json`` and ``--json``."""
        return {
            "figure": self.figure,
            "whole": self.whole,
            "modalities": {name: asdict(one) for name, one in self.modalities.items()},
            "solvable_by_one": self.by_one,
            "n": len(self.rows),
        }


class _Asked:
    """A model over fixed records, whose modalities may come from other ones of them."""

    def __init__(
        self, model: Model, arrays: Mapping[str, Rows], present: NDArray[np.bool_]
    ) -> None:
        self._model, self.present = model, present
        self._views: dict[str, dict[str, Rows]] = {
            m: {v: arrays[v] for v in (*model.views[m], *model.sparse[m]) if v in arrays}
            for m in model.names
        }

    def answers(
        self, swapped: Mapping[str, NDArray[np.int64]], only: tuple[str, ...] | None = None
    ) -> NDArray[Any]:
        """Coded answers, some modalities taken from the records at the given positions."""
        arrays, present = dict[str, Rows](), self.present.copy()
        for column, (name, views) in enumerate(self._views.items()):
            at = swapped.get(name)
            arrays |= {v: a if at is None else a[at] for v, a in views.items()}
            present[:, column] = present[:, column] if at is None else self.present[at, column]
        logits = infer(self._model, arrays, present, subset=only, each=False).logits
        found: NDArray[Any] = self._model.target.answers(self._model.target.probabilities(logits))
        return found


def of_features(
    model: Model, features: Features, rows: NDArray[np.int64], seed: int = 0
) -> "Reliance":
    """What a model's answers rest on, on labelled records ``rows (n,)`` of a data set."""
    columns = [features.names.index(name) for name in model.names]
    return reliance(
        model,
        {view: found[rows] for view, found in features.arrays.items()},
        features.present[rows][:, columns],
        features.labels[rows],
        seed=seed,
    )


def reliance(
    model: Model,
    arrays: Mapping[str, Rows],
    present: NDArray[np.bool_],
    labels: NDArray[Any],
    *,
    repeats: int = 5,
    seed: int = 0,
) -> Reliance:
    """Measure what a model's answers rest on.

    Args:
        model: the model.
        arrays: view name to its inputs for ``n`` records.
        present: ``(n, modalities of the model)``.
        labels: ``(n, …)``, coded as the model's classes are; all records are labelled.
        repeats: shuffles of each modality.
        seed: of shuffles, donors and, of very many records, the sample.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(labels))
    if len(rows) > _MOST:
        rows = np.sort(rng.choice(rows, _MOST, replace=False))
    asked = _Asked(model, {view: found[rows] for view, found in arrays.items()}, present[rows])
    labels, target = labels[rows], model.target
    figure = str(target.primary)

    def score(answers: NDArray[Any], at: NDArray[np.bool_] | None = None) -> float:
        keep = np.ones(len(rows), bool) if at is None else at
        return float(target.metrics(labels[keep], answers[keep])[figure])

    whole = score(asked.answers({}))
    drop, alone = dict[str, float](), dict[str, float]()
    solvable = np.zeros((len(rows), len(model.names)), bool)
    for column, name in enumerate(model.names):
        shuffled = [
            score(asked.answers({name: rng.permutation(len(rows))})) for _ in range(repeats)
        ]
        drop[name] = whole - float(np.mean(shuffled))
        single = asked.answers({}, (name,))
        has = asked.present[:, column]
        alone[name] = score(single, has)
        solvable[:, column] = has & _right(single, labels, target)
    conflicts = {name: _conflict(asked, name, labels, rng) for name in model.names}
    found = {
        name: OfModality(
            importance=drop[name],
            alone=alone[name],
            follows=conflicts[name][0],
            resists=conflicts[name][1],
            shortcut=len(drop) > 1
            and alone[name] >= _NEARLY * whole
            and all(other <= _IDLE for n, other in drop.items() if n != name)
            and drop[name] > _IDLE,
        )
        for name in sorted(drop, key=lambda name: -drop[name])
    }
    return Reliance(figure=figure, whole=whole, modalities=found, solvable=solvable, rows=rows)


def _right(answers: NDArray[Any], labels: NDArray[Any], target: Any) -> NDArray[np.bool_]:  # noqa: ANN401
    """Which answers ``(n, …)`` are right; of sets of classes, all of them."""
    if answers.ndim == 1:
        found: NDArray[np.bool_] = answers == labels
        return found
    of_sets: NDArray[np.bool_] = (target.decide(answers) == (labels > 0)).all(axis=1)
    return of_sets


def _conflict(
    asked: _Asked, name: str, labels: NDArray[Any], rng: np.random.Generator
) -> tuple[float, float]:
    """Shares of answers that follow a donor of another class, and that stay with the rest."""
    if labels.ndim > 1 or asked.present.shape[1] < 2:
        return float("nan"), float("nan")
    donors = rng.permutation(len(labels))
    column = sorted(asked._views).index(name)
    others = np.delete(asked.present, column, axis=1).any(axis=1)
    tried = (labels[donors] != labels) & asked.present[donors, column] & others
    if not tried.any():
        return float("nan"), float("nan")
    answers = asked.answers({name: donors})[tried]
    follows = float((answers == labels[donors][tried]).mean())
    return follows, float((answers == labels[tried]).mean())
