"""Training records: rows, their targets, and batches of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.features.store import Features
from components.parts.network import Inputs, Likeness


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some records on the device.

    Attributes:
        inputs: view name to cached inputs ``(rows, *shape)`` of this process's rows.
        present: ``(batch, modalities)`` bool.
        labels: coded labels ``(batch, …)``.
        weights: ``(batch,)``, 0 without a label.
        likeness: which of the records are alike.
    """

    inputs: Inputs
    present: Tensor
    labels: Tensor
    weights: Tensor
    likeness: Likeness


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Records as one model sees them; ``n`` counts all records of the features, unread ones too.

    Attributes:
        names: the model's modalities, sorted.
        arrays: view name to cached inputs ``(n, *shape)``.
        present: ``(n, modalities)`` bool, for these modalities.
        labels: coded labels ``(n, …)``.
        weights: ``(n,)`` float32.
        groups: ``(n,)`` number of each record's group.
        contents: ``(n, modalities)``, equal in a column where the raw content is equal.
        supervised: rows with a label to learn.
        unlabelled: further rows, for losses that read no labels.
    """

    names: tuple[str, ...]
    arrays: Mapping[str, NDArray[Any]]
    present: NDArray[np.bool_]
    labels: NDArray[Any]
    weights: NDArray[np.float32]
    groups: NDArray[np.int64]
    contents: NDArray[np.int64]
    supervised: NDArray[np.int64]
    unlabelled: NDArray[np.int64]

    def batch(
        self, rows: NDArray[np.int64], device: torch.device, part: tuple[int, int] | None = None
    ) -> Batch:
        """Copy rows onto a device.

        Args:
            rows: of the whole batch, ``(batch,)``.
            device: where the batch goes.
            part: start and stop within ``rows`` of those whose inputs are read; None reads all.
        """
        own = rows if part is None else rows[slice(*part)]

        def there(array: NDArray[Any], rows: NDArray[np.int64] = rows) -> Tensor:
            return torch.from_numpy(array[rows]).to(device, non_blocking=True)

        return Batch(
            inputs={view: there(array, own) for view, array in self.arrays.items()},
            present=there(self.present),
            labels=there(self.labels),
            weights=there(self.weights),
            likeness=Likeness(groups=there(self.groups), contents=there(self.contents)),
        )

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


def training_data(
    features: Features,
    *,
    names: tuple[str, ...] | None = None,
    pseudo: Mapping[str, tuple[Any, float]] | None = None,
    unlabelled: bool = False,
) -> TrainingData:
    """Choose among the training records of a data set.

    Args:
        features: the encoded data set; labels of validation and test records are never read.
        names: modalities to use, all by default; records without any of them are left out.
        pseudo: record id to coded label and weight, for records without a visible label.
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
    if pseudo:
        for row in np.flatnonzero(train & (weights == 0)):
            if (found := pseudo.get(features.ids[row])) is not None:
                labels[row], weights[row] = found
    usable = train & present.any(axis=1)
    return TrainingData(
        names=names,
        arrays=features.views(names),
        present=present,
        labels=labels,
        weights=weights,
        groups=groups.to_numpy().astype(np.int64),
        contents=features.contents[:, columns],
        supervised=np.flatnonzero(usable & (weights > 0)),
        unlabelled=np.flatnonzero(usable & (weights == 0)) if unlabelled else np.empty(0, np.int64),
    )
