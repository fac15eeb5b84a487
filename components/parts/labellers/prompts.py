"""Names of classes as the first labels; then the most confident records of each class teach.

``t_c = norm(mean_j z_text(template_j(c)))`` and ``p(c | x) = softmax_c(z_x . t_c / tau)``, with one
more vector for 'none of these'. In round ``r`` of ``R`` the ``K_r = r / R * n / classes`` records
most confident of each class teach a head, which labels the pool anew: equal counts keep easy
classes from crowding out the others. Labelled records teach beside them. Of sets a class gets as
many records as it has among labels.

It needs a view that reads names: pictures through an image-text model, or texts through a dense
encoder, whose space is that of the names too.

Source: zero-shot classes from prompts, Radford et al. 2021 (arXiv:2103.00020); top-K pseudo-labels,
Huang et al. 2022, Unsupervised prompt learning (arXiv:2204.03649).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.core.errors import UserError
from components.parts import prototypes
from components.parts.labellers import fixed
from components.parts.labellers._heads import answers, fitted
from components.parts.labellers._sets import label_sets
from components.parts.labellers._single import label_classes
from components.parts.labelling import Evidence, Labeller, PseudoLabels, Records, Vectors
from components.parts.linear import Activation, class_means

METHOD = {
    "id": "S03",
    "name": "zero-shot text-prompt labeller, top-K per class",
    "for": "classes whose names say what they are, with no or very few labels",
    "needs": "a view that reads names: an image-text model, or a text with a dense encoder",
    "use": "labeller: prompts",
}
READS_RECORDS = True
READS_NAMES = True


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is asked, and how many records teach.

    Attributes:
        templates: texts of a class; ``{}`` stands for its name.
        none: names for records of no class; empty: every record has a class.
        tau: temperature of the zero-shot answers.
        examples: whether labelled records draw the vectors of their classes towards them, see
            ``components.parts.prototypes``.
        rounds: in which the records that teach grow from few to all; 0: zero-shot answers alone.
        floor: confidence below which nothing is accepted.
    """

    templates: Annotated[tuple[str, ...], Field(min_length=1)] = (
        *("{}", "a photo of a {}.", "this is about {}."),
    )
    none: tuple[str, ...] = ("none of these", "something else")
    tau: Annotated[float, Field(gt=0, le=100)] = 0.05
    examples: bool = False
    rounds: Annotated[int, Field(ge=0, le=100)] = 5
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _name_the_class(self) -> "Config":
        if without := [template for template in self.templates if "{}" not in template]:
            raise ValueError(f"got the template {without[0]!r}, wanted {{}} for the class's name")
        return self


def class_vectors(said: Vectors, templates: int) -> Vectors:
    """``t (classes, dim)`` of the unit vectors of texts ``(classes x templates, dim)``."""
    mean = said.reshape(-1, templates, said.shape[1]).mean(axis=1)
    unit: Vectors = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return unit


def zero_shot(
    config: Config,
    records: Records,
    known: Records | None = None,
    targets: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """``p (n, classes + 1)``, 'none of these' last; even where no view reads a record.

    Args:
        config: what is asked.
        records: those to label.
        known: labelled ones that are examples of their classes; None: names alone tell.
        targets: their classes ``(k, classes)``.

    Raises:
        UserError: no view reads names.
    """
    classes = len(records.classes)
    names = [*records.classes, *config.none]
    texts = [t.replace("{}", n) for n in names for t in config.templates]
    told = records.told(texts)
    examples = known.told(texts) if known is not None and told else {}
    if not told:
        raise UserError(
            "labeller prompts: got no view that reads names of classes, wanted an image-text model"
            " or a text with a dense encoder; choose `labeller: soft`"
        )
    logits, views = np.zeros((len(records.folds), classes + 1)), np.zeros(len(records.folds))
    for view, (own, said) in told.items():
        vectors = class_vectors(said, len(config.templates))
        if view in examples and targets is not None:
            vectors[:classes] = _beside(vectors[:classes], examples[view][0], targets)
        scores = (own @ vectors.T).astype(np.float64) / config.tau
        none = scores[:, classes:].max(axis=1, initial=-np.inf)
        has = own.any(axis=1)
        logits[has] += np.column_stack([scores[:, :classes], none])[has]
        views += has
    logits /= np.maximum(views, 1)[:, None]
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _beside(vectors: Vectors, examples: Vectors, targets: NDArray[np.float64]) -> Vectors:
    """Vectors of classes ``(classes, dim)``, drawn towards examples ``(k, dim)`` of them."""
    has = np.asarray(examples.any(axis=1), np.float64)
    means, counts = class_means(examples.astype(np.float64), targets, has)
    found = prototypes.class_vectors(vectors, means, counts.round().astype(np.int64))
    return found.astype(np.float32)


def top(p: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The ``counts (classes,)`` records of ``p (n, classes)`` most confident of each class.

    >>> top(np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]]), np.array([2, 1])).tolist()
    [[True, False], [False, True], [True, False]]
    """
    chosen = np.zeros(p.shape, np.bool_)
    for c, count in enumerate(counts):
        chosen[np.argsort(-p[:, c], kind="stable")[:count], c] = True
    return chosen


def alone(p: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """One class of each record ``(n,)``: the likelier one of those it was chosen for; -1: none."""
    best = np.where(chosen, p, -1.0).argmax(axis=1) if len(p) else np.empty(0, np.int64)
    return np.where(chosen.any(axis=1), best, -1)


def taught(
    config: Config,
    p: NDArray[np.float64],
    pool: Mapping[str, Vectors],
    known: Mapping[str, Vectors],
    targets: NDArray[np.float64],
    prior: NDArray[np.float64],
    activation: Activation,
) -> NDArray[np.float64]:
    """Probabilities ``(n, classes)`` of the last round's head.

    Args:
        config: the number of rounds.
        p: the first answers ``(n, classes)``.
        pool: view name to ``(n, dim)``.
        known: the same of labelled records ``(k, dim)``.
        targets: theirs ``(k, classes)``.
        prior: ``(classes,)`` share of each class among labels.
        activation: of the head.
    """
    count, classes = p.shape
    shares = np.full(classes, 1 / classes) if activation == "softmax" else prior
    features = {v: np.concatenate([known[v], x]) for v, x in pool.items()}
    for number in range(1, config.rounds + 1):
        most = np.ceil(number / config.rounds * count * shares).astype(np.int64)
        chosen = top(p, np.maximum(most, 1))
        if activation == "softmax":
            one = alone(p, chosen)
            chosen = one[:, None] == np.arange(classes)
        wanted = np.concatenate([targets, chosen.astype(np.float64)])
        weights = np.concatenate([np.ones(len(targets)), chosen.any(axis=1)])[:, None]
        used = weights[:, 0] > 0
        heads = fitted(
            {v: x[used] for v, x in features.items()}, wanted[used], weights[used], activation
        )
        said = np.nan_to_num(answers(heads, pool, activation), nan=1 / classes)
        p = np.exp(np.log(np.maximum(said, 1e-12)).mean(axis=0))
        if activation == "softmax":
            p = p / p.sum(axis=1, keepdims=True)
    return p


def label(
    config: Config,
    pool: Evidence,
    held_out: Evidence,
    labels: NDArray[np.int64],
    prior: NDArray[np.float64],
) -> PseudoLabels:
    """Label a pool; see `Labeller`."""
    count, classes = pool.fused.shape
    records, known = pool.asked("prompts"), held_out.asked("prompts")
    activation: Activation = "softmax" if labels.ndim == 1 else "sigmoid"
    targets = np.eye(classes)[labels] if labels.ndim == 1 else (labels == 1).astype(np.float64)
    first = zero_shot(config, records, known if config.examples else None, targets)
    none = first[:, classes] > first[:, :classes].max(axis=1, initial=0.0)
    p = first[:, :classes] / np.maximum(first[:, :classes].sum(axis=1, keepdims=True), 1e-12)
    if count and config.rounds:
        own, theirs = records.features(), known.features()
        rest = ~none
        if rest.any():
            inside = {v: x[rest] for v, x in own.items()}
            p[rest] = taught(config, p[rest], inside, theirs, targets, prior, activation)
    if labels.ndim > 1:
        p[none] = 0.0
        return label_sets(fixed.Config(agree=0), replace(pool, fused=p))
    confidence = p.max(axis=1, initial=0.0)
    return label_classes(pool, p, confidence, floor=config.floor, barred=none, why="none of these")


def build(config: Config) -> Labeller:
    """The labeller with its options."""
    return partial(label, config)
