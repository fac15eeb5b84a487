"""Validation and test records, and a model's outputs for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.store import Features
from components.model.inference import infer
from components.model.network import Model
from components.model.outputs import Inference

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Validation and test records, in data set order.

    Attributes:
        features: the encoded data set.
        rows: ``(n,)`` their rows in it.
        labels: coded labels ``(n, …)``.
        test: ``(n,)`` whether a record is of the test split, else of the validation split.
        present: ``(n, modalities)``.
        majority: coded answers ``(n, …)`` made from the visible training labels alone.
    """

    features: Features
    rows: Rows
    labels: NDArray[Any]
    test: NDArray[np.bool_]
    present: NDArray[np.bool_]
    majority: NDArray[Any]

    @classmethod
    def of(cls, features: Features) -> "HeldOut":
        """The held-out records of a data set that have any modality at all."""
        held_out = np.isin(features.splits, ["val", "test"]) & features.present.any(axis=1)
        rows = np.flatnonzero(held_out)
        visible = features.labels[features.rows("train", labelled=True)]
        return cls(
            features=features,
            rows=rows,
            labels=features.labels[rows],
            test=features.splits[rows] == "test",
            present=features.present[rows],
            majority=features.target.baseline(visible, len(rows)),
        )

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Labelled test records ``(n,)``: every figure is taken on these."""
        return self.test & self.features.target.labelled(self.labels)


def infer_rows(model: Model, features: Features, rows: Rows) -> Inference:
    """Model outputs for rows ``(k,)`` of a data set from all modalities that they have together.

    The model may know fewer modalities than the data set.
    """
    columns = [features.names.index(name) for name in model.names]
    return infer(model, features.arrays, features.present[:, columns], rows, each=False)
