"""A column for a new class, from a few exemplars, without fitting the model again.

The new logit is the mean of the known classes' logits and a weighted sum of the scores by which
each view compares a record with the exemplars (``view_metric``). What known classes, taken for new,
tell gives the weights (``episodes``). So the logits of known classes stay as they are, and what
they lose to the new class is weighed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.features.rows import Rows
from components.model.reference import Reference
from components.prediction.episodes import episodes_of, weights_of, worth_of
from components.prediction.view_metric import Floats, ViewMetric, blended, mean_of, metric_of


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a view adds to the mean logit of known classes: ``x @ weight + bias``.

    Attributes:
        weight: ``(dim,)``.
        bias: a number.
    """

    weight: NDArray[np.float32]
    bias: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """A new class.

    Attributes:
        columns: view name to its column; a view that no exemplar has is left out.
        recognised: share of held-out records of known classes that got their class, when it was
            taken for new.
        lost: share of the other records that got that class then.
        records: how many records of known classes the weights come from.
    """

    columns: dict[str, Column]
    recognised: float
    lost: float
    records: int


def fit(
    reference: Reference,
    names: Mapping[str, int],
    exemplars: Mapping[str, Rows],
    present: NDArray[np.bool_],
    *,
    several: bool,
    expected: Mapping[str, Floats] | None = None,
    told: Mapping[str, Floats] | None = None,
) -> Found:
    """Find the column of a new class.

    Args:
        reference: the model's training records.
        names: view name to the column of its modality in ``present``.
        exemplars: view name to rows ``(e, dim)`` of the exemplars.
        present: ``(e, modalities)``.
        several: whether a record has a set of classes.
        expected: view name to the means of the known classes ``(classes, dim)`` that their names
            tell.
        told: the same of the new class ``(dim,)``, which counts beside the exemplars; None with
            ``expected``: the exemplars are the one that the name tells.

    Raises:
        UserError: no known class has two records to learn from.
    """
    memberships = memberships_of(reference, several)
    eligible = np.flatnonzero(memberships.sum(axis=0) >= 2)
    if not len(eligible):
        raise UserError(
            "a class is added by what the model's own classes show, and none of them has two"
            " labelled training records; label some more and run again"
        )
    read = {
        view: _used(reference.views[view], exemplars[view])
        for view, column in names.items()
        if view in reference.views and view in exemplars and present[:, column].any()
    }
    if not read:
        raise UserError(
            "the exemplars have no view that light heads read; give another modality of them"
        )
    metrics = {
        view: replace(
            metric_of(used.reference, reference.present[:, names[view]], memberships),
            expected=None if expected is None else expected.get(view),
        )
        for view, used in read.items()
    }
    shown = len(present) if expected is None or told is not None else 0
    episodes = episodes_of(reference, memberships, eligible, shown, metrics, several)
    weights = weights_of(episodes)
    recognised, lost = worth_of(episodes, weights)
    columns = {
        view: _column(
            metrics[view], read[view], present[:, names[view]], own, (told or {}).get(view)
        )
        for view, own in zip(metrics, weights.reshape(-1, 3), strict=True)
    }
    return Found(
        columns=columns,
        recognised=recognised,
        lost=lost,
        records=int(memberships[:, eligible].sum()),
    )


def _column(
    metric: ViewMetric,
    read: "_Used",
    has: NDArray[np.bool_],
    weights: Floats,
    told: Floats | None,
) -> Column:
    """The column of a view by the weights ``(3,)`` of its scores; ``has (e,)``: exemplars."""
    mean = (
        mean_of(read.exemplars, has)
        if told is None
        else blended(told, read.exemplars, np.flatnonzero(has))
    )
    centre = mean_of(metric.rows, metric.has)
    first, second = metric.directions(mean - centre)
    way = weights[0] * first + weights[1] * second
    bias = float(weights[2] - (mean + centre) @ way / 2)
    return Column(weight=read.spread(way), bias=bias)


def known_classes(reference: Reference, *, several: bool) -> NDArray[np.int64]:
    """Numbers of the classes that a reference record with logits has."""
    found: NDArray[np.int64] = np.flatnonzero(memberships_of(reference, several).any(axis=0))
    return found


def memberships_of(reference: Reference, several: bool) -> NDArray[np.bool_]:
    """Which classes ``(n, classes)`` each record has; none where it is not judged."""
    if several:
        found: NDArray[np.bool_] = (reference.labels == 1) & reference.judged[:, None]
        return found
    codes = np.where(reference.judged, reference.labels, -1)
    return np.asarray(codes[:, None] == np.arange(reference.logits.shape[1]))


@dataclass(frozen=True, kw_only=True)
class _Used:
    """Rows of a view without the columns that are zero in all of them.

    Attributes:
        reference: ``(n, used)``.
        exemplars: ``(e, used)``.
        columns: which columns they are, ``(used,)``; None: all.
        dim: number of columns of the view.
    """

    reference: Rows
    exemplars: Rows
    columns: NDArray[np.int64] | None
    dim: int

    def spread(self, values: Floats) -> NDArray[np.float32]:
        """``(used,)`` in their places ``(dim,)``."""
        found = np.zeros(self.dim, np.float32)
        found[slice(None) if self.columns is None else self.columns] = values
        return found


def _used(reference: Rows, exemplars: Rows) -> _Used:
    dim = reference.shape[1]
    if isinstance(reference, np.ndarray):
        return _Used(reference=reference, exemplars=exemplars, columns=None, dim=dim)
    columns = np.union1d(reference.indices, exemplars.indices)
    return _Used(
        reference=reference[:, columns], exemplars=exemplars[:, columns], columns=columns, dim=dim
    )
