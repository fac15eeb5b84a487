"""What labellers get in an experiment: the evidence of a run's own pseudo-label step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.config.run import ModelConfig, TrainingConfig
from components.features.store import Features
from components.parts import loading as parts
from components.parts.labelling import Evidence, PseudoLabels, Vectors
from components.training.data import Pseudo
from components.training.joining import with_neighbours
from components.training.light import light_views
from components.training.pool import Pool, Rounds
from components.training.self_training import self_train, view_shares
from components.training.taught import Taught
from components.training.teaching import teach_committee, untrained
from components.training.views import Views


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a labeller is asked.

    Attributes:
        features: with the labels that are visible.
        rows: of the pool ``(n,)``.
        pool: what is known of them.
        held_out: what is known of the labelled records.
        labels: their classes ``(k, …)``.
        prior: shares of the classes among them.
        taught: the committee.
        views: of all training records.
    """

    features: Features
    rows: NDArray[np.int64]
    pool: Evidence
    held_out: Evidence
    labels: NDArray[Any]
    prior: NDArray[np.float64]
    taught: Taught
    views: Views

    def by(self, name: str, **options: Any) -> PseudoLabels:  # noqa: ANN401
        """What a labeller of this name and options says of the pool."""
        decide = parts.load("labellers", name).build(parts.configure("labellers", name, options))
        found: PseudoLabels = decide(self.pool, self.held_out, self.labels, self.prior)
        return found

    def seeing(self, change: Callable[[str, Vectors], Vectors | None]) -> "Given":
        """The same, with the features of views changed, or left out where the change is None."""

        def changed(evidence: Evidence) -> Evidence:
            records = evidence.records
            assert records is not None

            def features() -> Mapping[str, Vectors]:
                assert records is not None
                each = {view: change(view, x) for view, x in records.features().items()}
                return {view: x for view, x in each.items() if x is not None}

            return replace(evidence, records=replace(records, features=features))

        return replace(self, pool=changed(self.pool), held_out=changed(self.held_out))


def given(features: Features, seed: int = 0, rounds: int = 0) -> Given:
    """The evidence of a data set with visible labels.

    Args:
        features: the data set.
        seed: of the folds.
        rounds: of self-training; without any the heads learned from labels alone.
    """
    shape, training = ModelConfig(dim=16), TrainingConfig(seed=seed, device="cpu")
    model = untrained(features, shape, training, None)
    found = teach_committee(model, features, seed)
    if isinstance(found, str):
        raise RuntimeError(found)
    train = features.rows("train")
    views = light_views(model, features, found.made, train)
    pool = train[views.anything[train]]
    done = self_train(views, found.labelled, found.committee, pool, rounds=rounds)
    committee = done.committee
    if rounds:
        committee = with_neighbours(
            views,
            found.labelled,
            committee,
            shares=view_shares(committee),
            pool=pool,
            distributions=done.distributions,
            shift=done.shift,
        )
    taught = replace(found, committee=committee, shift=done.shift)
    asked: list[tuple[Evidence, Evidence, NDArray[Any], NDArray[np.float64]]] = []

    def ask(*evidence: Any) -> PseudoLabels:  # noqa: ANN401
        asked.append(evidence)
        count, classes = evidence[0].fused.shape
        nothing: list[list[str]] = [[] for _ in range(count)]
        return PseudoLabels(
            labels=np.zeros(count, np.int64),
            confidence=np.zeros(count),
            accepted=np.zeros(count, np.bool_),
            sources=nothing,
            reasons=[""] * count,
            thresholds=np.zeros(classes),
        )

    after = Rounds(taught=taught, found=done, views=views, pool=pool)
    rows, _ = Pool(model, features, after, by_fold=True).decided(ask, fit=-1)
    ((own, held, labels, prior),) = asked
    return Given(
        features=features,
        rows=rows,
        pool=own,
        held_out=held,
        labels=labels,
        prior=prior,
        taught=taught,
        views=views,
    )


def few(features: Features, count: int, seed: int) -> Features:
    """The same records, with the labels of so many training records of each class alone."""
    rng = np.random.default_rng(seed)
    train = features.rows("train", labelled=True)
    shown = [
        rng.permutation(train[features.labels[train] == c])[:count]
        for c in range(len(features.classes))
    ]
    hidden = np.setdiff1d(features.rows("train"), np.concatenate(shown))
    labels = np.array(features.labels)
    labels[hidden] = features.target.unlabelled(len(hidden))
    return replace(features, labels=labels)


def pseudo(features: Features, rows: NDArray[np.int64], found: PseudoLabels) -> Pseudo:
    """The accepted ones, as training reads them."""
    at = np.flatnonzero(found.accepted)
    return Pseudo(
        ids=[features.ids[rows[i]] for i in at],
        labels=found.labels[at],
        weights=found.confidence[at].astype(np.float32),
        likeliest=None,
    )


def side_by_side(views: Views, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """All views of records in one row ``(n, dims)``."""
    return np.hstack([x[rows] for x in views.features.values()])
