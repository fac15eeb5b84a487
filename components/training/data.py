"""Training records: rows, their targets, and batches of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.features.store import Features
from components.parts.network import Inputs, Likeness


@dataclass(frozen=True, kw_only=True)
class Pseudo:
    """Labels of ``m`` records that a labeller accepted.

    Attributes:
        ids: record ids.
        labels: coded labels ``(m, …)``.
        weights: ``(m,)`` float32.
        likeliest: classes and their shares ``(m, k)``; None where labels are learned as coded.
    """

    ids: list[str]
    labels: NDArray[Any]
    weights: NDArray[np.float32]
    likeliest: tuple[NDArray[np.int64], NDArray[np.float32]] | None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some records on the device.

    Attributes:
        inputs: view name to cached inputs ``(rows, *shape)`` of this process's rows.
        present: ``(batch, modalities)`` bool.
        labels: coded labels ``(batch, …)``.
        weights: ``(batch,)``, 0 without a label.
        likeliest: classes and shares ``(batch, k)`` of soft labels, which take the place of coded
            ones where a share is above 0; None where no record has one.
        likeness: which of the records are alike.
        numbers: ``(batch,)`` position of each record among those without a visible label, -1 for
            others; None where nobody asked.
    """

    inputs: Inputs
    present: Tensor
    labels: Tensor
    weights: Tensor
    likeliest: tuple[Tensor, Tensor] | None
    likeness: Likeness
    numbers: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Records as one model sees them; ``n`` counts all records of the features, unread ones too.

    Attributes:
        names: the model's modalities, sorted.
        train: rows of the training records that have one of them.
        arrays: view name to cached inputs ``(n, *shape)``.
        present: ``(n, modalities)`` bool, for these modalities.
        labels: coded labels ``(n, …)``.
        weights: ``(n,)`` float32.
        likeliest: classes and shares ``(n, k)`` of soft labels, shares 0 where there is none; None
            without any.
        groups: ``(n,)`` number of each record's group.
        contents: ``(n, modalities)``, equal in a column where the raw content is equal.
        supervised: rows with a label to learn.
        unlabelled: further rows, for losses that read no labels.
        hidden: training rows ``(k,)`` without a visible label, those with a pseudo-label too.
    """

    names: tuple[str, ...]
    train: NDArray[np.int64]
    arrays: Mapping[str, NDArray[Any]]
    present: NDArray[np.bool_]
    labels: NDArray[Any]
    weights: NDArray[np.float32]
    likeliest: tuple[NDArray[np.int64], NDArray[np.float32]] | None
    groups: NDArray[np.int64]
    contents: NDArray[np.int64]
    supervised: NDArray[np.int64]
    unlabelled: NDArray[np.int64]
    hidden: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def batch(
        self,
        rows: NDArray[np.int64],
        device: torch.device,
        part: tuple[int, int] | None = None,
        *,
        numbered: bool = False,
    ) -> Batch:
        """Copy rows onto a device.

        Args:
            rows: of the whole batch, ``(batch,)``.
            device: where the batch goes.
            part: start and stop within ``rows`` of those whose inputs are read; None reads all.
            numbered: whether to give ``Batch.numbers``.
        """
        own = rows if part is None else rows[slice(*part)]

        def there(array: NDArray[Any], rows: NDArray[np.int64] = rows) -> Tensor:
            return torch.from_numpy(array[rows]).to(device, non_blocking=True)

        return Batch(
            inputs={view: there(array, own) for view, array in self.arrays.items()},
            present=there(self.present),
            labels=there(self.labels),
            weights=there(self.weights),
            likeliest=None
            if self.likeliest is None
            else (there(self.likeliest[0]), there(self.likeliest[1])),
            likeness=Likeness(groups=there(self.groups), contents=there(self.contents)),
            numbers=torch.from_numpy(self._numbers(rows)).to(device, non_blocking=True)
            if numbered
            else None,
        )

    def _numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position of each row among the hidden ones, -1 for others."""
        at = np.searchsorted(self.hidden, rows)
        found = np.append(self.hidden, -1)[at] == rows
        return np.where(found, at, -1)

    def batches(self, batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Rows ``(batch,)`` of each batch of an epoch.

        They are shuffled, each is used once, and supervised ones are spread evenly. The result
        depends on the arguments alone, so a resumed run gets the batches of an undisturbed one.
        """
        rng = np.random.default_rng([seed, epoch])
        steps = max(1, -(-(len(self.supervised) + len(self.unlabelled)) // batch_size))
        first = np.array_split(rng.permutation(self.supervised), steps)
        # Longer shares come first in one list and last in the other: batches of nearly one size.
        second = np.array_split(rng.permutation(self.unlabelled), steps)[::-1]
        return [np.concatenate(pair) for pair in zip(first, second, strict=True)]

    def beside(self, size: int, steps: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Rows ``(size,)`` without a visible label for each step of an epoch.

        They are shuffled, and all are used before one comes again; so are the epochs, each for
        itself. The result depends on the arguments alone.

        Args:
            size: rows of a step, at most all.
            steps: of the epoch.
            seed: of the order.
            epoch: number of the epoch.
        """
        rng = np.random.default_rng([seed, epoch, 1])
        rounds = -(-size * steps // len(self.hidden))
        order = np.concatenate([rng.permutation(self.hidden) for _ in range(rounds)])
        return [order[at : at + size] for at in range(0, size * steps, size)]


def training_data(
    features: Features,
    *,
    names: tuple[str, ...] | None = None,
    pseudo: Pseudo | None = None,
    unlabelled: bool = False,
) -> TrainingData:
    """Choose among the training records of a data set.

    Args:
        features: the encoded data set; labels of validation and test records are never read.
        names: modalities to use, all by default; records without any of them are left out.
        pseudo: labels for records without a visible one.
        unlabelled: whether records without any label are used too.
    """
    names = tuple(features.names) if names is None else tuple(sorted(names))
    columns = [features.names.index(name) for name in names]
    present = features.present[:, columns]
    groups = pa.array(features.groups, pa.string()).dictionary_encode().indices
    train = np.zeros(len(features.ids), dtype=bool)
    train[features.rows("train")] = True
    target, labels = features.target, features.labels.copy()
    labels[~train] = target.unlabelled(int((~train).sum()))
    weights = target.labelled(labels).astype(np.float32)
    visible = weights > 0
    likeliest = None
    if pseudo is not None and len(pseudo.ids):
        number = {record: at for at, record in enumerate(pseudo.ids)}
        rows = [r for r in np.flatnonzero(train & (weights == 0)) if features.ids[r] in number]
        at = [number[features.ids[r]] for r in rows]
        labels[rows], weights[rows] = pseudo.labels[at], pseudo.weights[at]
        if pseudo.likeliest is not None:
            codes, shares = pseudo.likeliest
            likeliest = (
                np.zeros((len(train), codes.shape[1]), np.int64),
                np.zeros((len(train), codes.shape[1]), np.float32),
            )
            likeliest[0][rows], likeliest[1][rows] = codes[at], shares[at]
    usable = train & present.any(axis=1)
    return TrainingData(
        names=names,
        train=np.flatnonzero(usable),
        arrays=features.views(names),
        present=present,
        labels=labels,
        weights=weights,
        likeliest=likeliest,
        groups=groups.to_numpy().astype(np.int64),
        contents=features.contents[:, columns],
        supervised=np.flatnonzero(usable & (weights > 0)),
        unlabelled=np.flatnonzero(usable & (weights == 0)) if unlabelled else np.empty(0, np.int64),
        hidden=np.flatnonzero(usable & ~visible),
    )
