"""Many heads vote; what enough of them agree on joins training, and all of them learn again.

There are ``J`` heads: one for each view and seed, where a seed is a draw of how much each labelled
record counts (Bayesian bootstrap). In a round the heads are fitted to the labelled records and to
those that joined, and vote on the pool; a record joins, with the class that most votes name, if at
least ``votes`` of those that can read it name it. The same is done without each fold of the
labelled records, which are then judged as the pool is: their precision estimates that of the pool,
and where it falls by more than a point the rounds stop before. Of sets each class is voted on.

Source: rounds of votes, as in tri-training, Zhou & Li 2005 (doi:10.1109/TKDE.2005.186); the
Bayesian bootstrap, Rubin 1981 (doi:10.1214/aos/1176345338).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.parts.labellers._heads import answers, fitted
from components.parts.labellers._sets import supporters
from components.parts.labelling import Evidence, Labeller, PseudoLabels, Vectors
from components.parts.linear import Activation

METHOD = {
    "id": "S05a",
    "name": "multi-round voting",
    "for": "pseudo-labels that many encoders and seeds agree on",
    "needs": "frozen encoders, the more the better; records without a label",
    "use": "labeller: voting",
}
READS_RECORDS = True
_MOST_FOLDS = 3
_FALL = 0.01
"""What precision may lose from one round to the next."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """How heads vote.

    Attributes:
        seeds: heads on each view.
        votes: share of the heads that must name a class.
        rounds: at most so many.
        seed: of the draws.
    """

    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    votes: Annotated[float, Field(gt=0.5, le=1)] = 0.8
    rounds: Annotated[int, Field(ge=1, le=100)] = 5
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, kw_only=True)
class Poll:
    """One round of votes.

    Attributes:
        share: of the heads that can read a record, those that name a class ``(n, classes)``.
        given: classes with enough votes ``(n, classes)``.
        denied: of sets, classes with enough votes against them.
    """

    share: NDArray[np.float64]
    given: NDArray[np.bool_]
    denied: NDArray[np.bool_]


def poll(p: NDArray[np.float64], votes: float, activation: Activation) -> Poll:
    """Count the votes of heads that answer ``p (heads, n, classes)``; NaN abstains."""
    able: NDArray[np.bool_] = np.asarray(~np.isnan(p).any(axis=2))
    if activation == "softmax":
        named = np.eye(p.shape[2])[np.nan_to_num(p, nan=-1.0).argmax(axis=2)]
    else:
        named = (np.nan_to_num(p) >= 0.5).astype(np.float64)
    named *= able[:, :, None]
    heads: NDArray[np.int64] = np.asarray(able.sum(axis=0))[:, None]
    share = named.sum(axis=0) / np.maximum(heads, 1)
    enough = votes - 1e-9
    return Poll(
        share=share,
        given=(share >= enough) & (heads > 0),
        denied=(1 - share >= enough) & (heads > 0),
    )


def rounds_of(
    config: Config,
    pool: Mapping[str, Vectors],
    known: Mapping[str, Vectors],
    targets: NDArray[np.float64],
    activation: Activation,
    rounds: int,
) -> list[Poll]:
    """The votes on a pool in each round.

    Args:
        config: how heads vote.
        pool: view name to ``(n, dim)``.
        known: the same of the labelled records ``(k, dim)``.
        targets: ``(k, classes)``.
        activation: of the heads.
        rounds: how many.
    """
    rng, found = np.random.default_rng(config.seed), []
    counts = rng.exponential(size=(len(targets), config.seeds)) if config.seeds > 1 else None
    own = np.ones((len(targets), 1)) if counts is None else counts
    features, wanted, weights = known, targets, own
    for number in range(rounds):
        heads = fitted(features, wanted, weights, activation)
        said = poll(answers(heads, pool, activation), config.votes, activation)
        found.append(said)
        if number + 1 == rounds:
            break
        joined = said.given.any(axis=1)
        soft = np.where(said.given, 1.0, np.where(said.denied, 0.0, said.share))
        if activation == "softmax":
            soft = said.given.astype(np.float64)
        features = {v: np.concatenate([known[v], pool[v][joined]]) for v in known}
        wanted = np.concatenate([targets, soft[joined]])
        weights = np.concatenate([own, np.ones((int(joined.sum()), own.shape[1]))])
    return found


def precisions(
    config: Config,
    pool: Mapping[str, Vectors],
    known: Mapping[str, Vectors],
    targets: NDArray[np.float64],
    folds: NDArray[np.int64],
    activation: Activation,
) -> NDArray[np.float64]:
    """Precision in each round ``(rounds,)`` of labelled records that were judged as the pool is.

    NaN where none of them joined. There is one round where they make no two folds.
    """
    numbers = np.unique(folds, return_inverse=True)[1] % _MOST_FOLDS
    if len(np.unique(numbers)) < 2:
        return np.full(1, np.nan)
    right, count = np.zeros(config.rounds), np.zeros(config.rounds)
    for fold in np.unique(numbers):
        at = numbers == fold
        both = {v: np.concatenate([known[v][at], pool[v]]) for v in known}
        others = {v: known[v][~at] for v in known}
        said = rounds_of(config, both, others, targets[~at], activation, config.rounds)
        for number, one in enumerate(said):
            given = one.given[: at.sum()]
            right[number] += float((given * targets[at]).sum())
            count[number] += float(given.sum())
    return np.where(count > 0, right / np.maximum(count, 1), np.nan)


def kept_rounds(precision: NDArray[np.float64]) -> int:
    """How many rounds go by before precision falls by more than a point, or is not known.

    >>> kept_rounds(np.array([0.9, 0.895, 0.88, 0.95]))
    2
    """
    falls = np.flatnonzero(~(precision[1:] >= precision[:-1] - _FALL))
    return int(falls[0]) + 1 if len(falls) else len(precision)


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
    activation: Activation = "softmax" if labels.ndim == 1 else "sigmoid"
    said = Poll(
        share=np.zeros((count, classes)),
        given=np.zeros((count, classes), np.bool_),
        denied=np.zeros((count, classes), np.bool_),
    )
    if count and len(labels):
        own, known = (each.asked("voting").features() for each in (pool, held_out))
        targets = np.eye(classes)[labels] if labels.ndim == 1 else (labels == 1).astype(np.float64)
        folds = held_out.asked("voting").folds
        rounds = kept_rounds(precisions(config, own, known, targets, folds, activation))
        said = rounds_of(config, own, known, targets, activation, rounds)[-1]
    accepted: NDArray[np.bool_] = np.asarray(said.given.any(axis=1))
    sure = np.where(said.given, said.share, np.where(said.denied, 1 - said.share, 0.0))
    decided = said.given | (said.denied & (labels.ndim > 1))
    confidence = (sure * decided).sum(axis=1) / np.maximum(decided.sum(axis=1), 1)
    answer = np.where(said.given, 1, np.where(said.denied, 0, -1))
    if labels.ndim == 1:
        answer = said.share.argmax(axis=1) if count else np.empty(0, np.int64)
    return PseudoLabels(
        labels=answer
        if labels.ndim == 1
        else np.where(said.given, 1, np.where(said.denied, 0, -1)),
        confidence=np.where(accepted, confidence, said.share.max(axis=1, initial=0.0)),
        accepted=accepted,
        sources=supporters(pool, answer),
        reasons=["accepted" if yes else "too few votes" for yes in accepted],
        thresholds=np.full(classes, config.votes),
    )


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
