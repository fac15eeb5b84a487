"""What is known of the training records after the rounds, as labellers get it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from components.features.modality import rebuilt
from components.features.naming import readers
from components.features.store import Features
from components.model.network import Model
from components.parts.labelling import Evidence, Labeller, PseudoLabels, Records, Vectors
from components.parts.linear import Activation, activated
from components.parts.network import ViewNetwork
from components.training.self_training import SelfTraining
from components.training.taught import Taught
from components.training.views import Views


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """A committee before and after it learned from the pool.

    Attributes:
        taught: after the rounds.
        found: what the rounds found.
        views: of the training records.
        pool: ``(k,)`` rows of the training records that have a view.
    """

    taught: Taught
    found: SelfTraining
    views: Views
    pool: NDArray[np.int64]


class Pool:
    """What is known of the records in the graph.

    Args:
        model: its encoders know means and scales.
        data: the data set.
        done: the committee after the rounds.
        by_fold: whether labelled records are judged beside those of other folds alone, for a
            labeller that reads more than probabilities.
    """

    def __init__(self, model: Model, data: Features, done: Rounds, *, by_fold: bool) -> None:
        self._model, self._by_fold = model, by_fold
        self._data, self._views, self._rows = data, done.views, done.pool
        self._labelled, self._committee = done.taught.labelled, done.taught.committee
        self._distributions, self._shift = done.found.distributions, done.taught.shift
        self._at = np.searchsorted(done.pool, self._labelled.rows)

    def decided(self, decide: Labeller, fit: int) -> tuple[NDArray[np.int64], PseudoLabels]:
        """Rows without a label that the fit may see, and the labeller's answers for them.

        The labeller tunes itself on labelled records that were held out; not on those of the fold
        that the fit leaves out, which will judge.
        """
        labelled = self._labelled
        hidden = labelled.folds == fit
        unlabelled = ~self._data.target.labelled(self._data.labels[self._rows])
        unlabelled[self._at[hidden]] = True
        rows = self._rows[unlabelled]
        pool = self._evidence(rows, self._distributions[fit][unlabelled], fit)
        known = self._data.labels[labelled.rows[~hidden]]
        return rows, decide(pool, self._held_out(~hidden), known, self._data.target.shares(known))

    def judged(self, decide: Labeller) -> PseudoLabels:
        """The labeller's answers for the labelled records, found without their labels."""
        if self._by_fold:
            return self._judged_by_fold(decide)
        everything = np.ones(len(self._labelled.rows), np.bool_)
        known = self._held_out(everything)
        labels = self._data.labels[self._labelled.rows]
        return decide(known, known, labels, self._data.target.shares(labels))

    def _judged_by_fold(self, decide: Labeller) -> PseudoLabels:
        """The same, each fold as a part of the pool of the fit without it."""
        rows, found = self._labelled.rows, []
        order = [np.flatnonzero(self._labelled.folds == f) for f in range(self._labelled.fits - 1)]
        for fit, at in enumerate(order):
            among, decided = self.decided(decide, fit)
            found.append(taken(decided, np.searchsorted(among, rows[at])))
        return taken(joined(found), np.argsort(np.concatenate(order)))

    def _held_out(self, which: NDArray[np.bool_]) -> Evidence:
        """Evidence of labelled records, each by the fit without its fold, as their labels come."""
        labelled = self._labelled
        fused = labelled.held_out(self._distributions[:, self._at])[which]
        fused = fused * np.exp(-self._shift)
        if labelled.activation == "softmax":
            fused /= np.maximum(fused.sum(axis=1, keepdims=True), 1e-300)
        rows = labelled.rows[which]
        return Evidence(
            fused=fused,
            by_modality={
                name: _probabilities(
                    labelled.held_out(self._committee.every(views, labelled.rows))[which]
                    - self._shift,
                    labelled.activation,
                )
                for name, views in self._singles()
            },
            present=self._data.present[rows],
            records=self._records(rows, labelled.folds[which]),
        )

    def _evidence(self, rows: NDArray[np.int64], fused: NDArray[np.float32], fit: int) -> Evidence:
        return Evidence(
            fused=fused.astype(np.float64),
            by_modality={
                name: _probabilities(
                    self._committee.logits(views, fit, rows), self._labelled.activation
                )
                for name, views in self._singles()
            },
            present=self._data.present[rows],
            shift=self._shift,
            records=self._records(rows, np.full(len(rows), -1)),
        )

    def _records(self, rows: NDArray[np.int64], folds: NDArray[np.int64]) -> Records:
        return Records(
            classes=self._data.classes,
            folds=folds,
            features=lambda: {v: x[rows] for v, x in self._views.features.items()},
            told=partial(told, self._model, self._data, rows),
        )

    def _singles(self) -> list[tuple[str, Views]]:
        return [(name, self._views.of([name])) for name in self._data.names]


def told(
    model: Model, data: Features, rows: NDArray[np.int64], texts: Sequence[str]
) -> dict[str, tuple[Vectors, Vectors]]:
    """Unit vectors of records and of texts, by view that reads names; see ``Records.told``."""
    modalities = {name: rebuilt(name, spec) for name, spec in data.specs.items()}
    found = {}
    for name, view in readers(modalities):
        network = cast(ViewNetwork, model.encoders[view])
        has = data.present[rows, data.names.index(name)]
        said = _light(network, np.asarray(modalities[name].encoders[view].encode(list(texts))))
        own = np.zeros((len(rows), said.shape[1]), np.float32)
        if has.any():
            own[has] = _light(network, np.asarray(data.arrays[view][rows[has]]))
        found[view] = own, said
    return found


def _light(network: ViewNetwork, inputs: NDArray[Any]) -> Vectors:
    """Unit vectors ``(n, dim)`` of the fixed part of a view's encoder."""
    with torch.inference_mode():
        x = network.light(torch.from_numpy(np.ascontiguousarray(inputs))).float()
        unit: Vectors = torch.nn.functional.normalize(x, dim=1).numpy()
    return unit


def taken(labels: PseudoLabels, at: NDArray[np.int64]) -> PseudoLabels:
    """The answers of some records, in the order of ``at``."""
    return replace(
        labels,
        labels=labels.labels[at],
        confidence=labels.confidence[at],
        accepted=labels.accepted[at],
        sources=[labels.sources[i] for i in at],
        reasons=[labels.reasons[i] for i in at],
        soft=None if labels.soft is None else labels.soft[at],
    )


def joined(several: Sequence[PseudoLabels]) -> PseudoLabels:
    """The answers of several pools one after the other; thresholds are those of the first."""
    softs = [each.soft for each in several if each.soft is not None]
    return replace(
        several[0],
        labels=np.concatenate([each.labels for each in several]),
        confidence=np.concatenate([each.confidence for each in several]),
        accepted=np.concatenate([each.accepted for each in several]),
        sources=[source for each in several for source in each.sources],
        reasons=[reason for each in several for reason in each.reasons],
        soft=np.concatenate(softs) if softs else None,
    )


def _probabilities(
    logits: NDArray[np.floating[Any]], activation: Activation
) -> NDArray[np.float64]:
    known = np.zeros(logits.shape)
    return activated(logits.astype(np.float64), known, activation)[0].astype(np.float64)
