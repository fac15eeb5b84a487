"""What the committee reads of a sparse view, in numpy: counts weighted by TF-IDF, and mapped."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from components.features.rows import Rows
from components.features.tfidf import weighted

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SparseMaps:
    """The arrays of a sparse view; see ``committee.SparseView``, whose buffers they are.

    Attributes:
        idf: weight of each bucket ``(buckets,)``; empty where the view was never fitted.
        buckets: ``(dim,)`` those that are read.
        seats: numbers of the seats that have a map ``(own,)``.
        basis: ``(dim, k)``, what shortens rows first, or empty.
        weight: ``(dim or k, own, width)``.
        bias: of all seats ``(seats, width)``.
        columns: of the view's part in the vector that neighbours are found by; perhaps empty.
        blank: that vector, of zeros ``(dims,)``.
        share: length of the part.
    """

    idf: Floats
    buckets: NDArray[np.int64]
    seats: NDArray[np.int64]
    basis: Floats
    weight: Floats
    bias: Floats
    columns: NDArray[np.int64]
    blank: Floats
    share: Floats

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "SparseMaps":
        """From arrays by name; a basis in half precision is made single."""
        own = {field.name: arrays[field.name] for field in fields(cls)}
        return cls(**{**own, "basis": own["basis"].astype(np.float32, copy=False)})  # type: ignore[arg-type]

    @property
    def reads(self) -> int:
        """How many numbers the committee reads of a record."""
        return self.bias.size + len(self.blank)

    def weighted(self, counts: Rows) -> Rows:
        """Rows ``(n, buckets)`` of unit length."""
        return weighted(counts, self.idf)

    def logits(self, counts: Rows) -> Floats:
        """What the committee reads ``(n, seats * width + dims)`` of counts ``(n, buckets)``."""
        rows = self.weighted(counts)[:, self.buckets]
        if self.basis.size:
            rows = rows @ self.basis
        own = np.asarray(rows @ self.weight.reshape(len(self.weight), -1), np.float32)
        found = np.zeros((len(own), self.reads), np.float32)
        every = found[:, : self.bias.size].reshape(len(own), *self.bias.shape)
        every[:, self.seats] = own.reshape(len(own), len(self.seats), self.bias.shape[1])
        every += self.bias
        if self.basis.size and len(self.columns):
            compared = rows[:, : len(self.columns)]
            # As `torch.nn.functional.normalize` does.
            length = np.maximum(np.linalg.norm(compared, axis=1, keepdims=True), 1e-12)
            found[:, self.bias.size + self.columns] = compared / length * self.share
        return found
