"""The committee in the model: linear maps of what light heads read of each view, one for each seat.

A seat answers for records that have just its modalities; the last one answers for all others.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from components.features.rows import Rows
from components.model.fitted import Fitted
from components.model.neighbours import Neighbours
from components.model.sparse_maps import SparseMaps

CLIP = 5.0
"""Standardised numbers are cut off here."""


class _SeatMaps(Fitted):
    """A linear map for each seat that reads a view; the others have none, and cost nothing.

    Attributes:
        seats: numbers of the seats that have a map ``(own,)``, rising.
        basis: ``(dim, k)``, what shortens rows first, in half precision, which holds just these
            numbers; empty where nothing asks for it.
        weight: ``(dim or k, own, width)``.
        bias: of all seats ``(seats, width)``.
        columns: of the view's part in the vector that neighbours are found by ``(k,)``; empty where
            it is not compared.
        blank: that vector, of zeros ``(dims,)``; empty without neighbours.
        share: length of the part.
    """

    columns: Tensor
    blank: Tensor
    share: Tensor
    seats: Tensor
    basis: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.register_buffer("seats", torch.zeros(1, dtype=torch.int64))
        self._read: tuple[Tensor, Tensor] | None = None
        self.register_buffer("basis", torch.zeros(0, 0, dtype=torch.float16))
        self.register_buffer("weight", torch.zeros(dim, 1, width))
        self.register_buffer("bias", torch.zeros(1, width))
        self.register_buffer("columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("blank", torch.zeros(0))
        self.register_buffer("share", torch.zeros(()))

    def put_place(self, columns: range, dims: int, share: float) -> None:
        """Set the view's part of the vector that neighbours are found by, before the maps.

        Args:
            columns: where the part is.
            dims: of the whole vector.
            share: length of the part.
        """
        self.columns, self.share = torch.tensor(columns, dtype=torch.int64), torch.tensor(share)
        self.blank = torch.zeros(dims)

    def put_maps(
        self, basis: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> None:
        """Set the maps.

        Args:
            basis: ``(dim, k)``.
            weight: of rows that the basis has shortened ``(k, seats, width)``.
            bias: ``(seats, width)``.
        """
        seats = np.flatnonzero(weight.any(axis=(0, 2)))
        own = weight[:, seats]
        if len(self.columns) or basis.size + own.size < len(basis) * own.shape[1] * own.shape[2]:
            self.basis = torch.from_numpy(basis.astype(np.float16))
            self.weight = torch.from_numpy(own)
        else:
            self.basis = torch.zeros(0, 0, dtype=torch.float16)
            self.weight = torch.from_numpy(np.tensordot(basis, own, 1))
        self.seats, self.bias = torch.from_numpy(seats), torch.from_numpy(bias)

    def directions(self) -> Tensor:
        """The basis in single precision, made once."""
        if self._read is None or self._read[0] is not self.basis:
            self._read = (self.basis, self.basis.float())
        return self._read[1]

    def in_seats(self, own: Tensor, rows: Tensor | None = None) -> Tensor:
        """What the committee reads ``(batch, seats * width + dims)``.

        Args:
            own: logits of the seats that have a map ``(batch, own * width)``.
            rows: shortened rows ``(batch, k)``, where the view is compared; what a class that came
                later reads beside them comes last.
        """
        seats, width = self.bias.shape
        every = own.new_zeros(own.shape[0], seats, width)
        if len(self.seats):
            parts = own.reshape(-1, len(self.seats), width)
            every = every.index_copy(1, self.seats, parts)
        logits = (every + self.bias).flatten(1)
        vector = self.blank.expand(own.shape[0], -1)
        if rows is not None and len(self.columns):
            compared = rows[:, : len(self.columns)].float()
            unit = F.normalize(compared, dim=1) * self.share
            vector = vector.index_copy(1, self.columns, unit)
        return torch.cat([logits, vector], dim=1)


class LinearView(_SeatMaps):
    """Logits of one view: its numbers standardised, cut off, and mapped.

    Nothing of it is trained by gradients; ``components.training.light`` fits it.

    Attributes:
        mean: ``(dim,)``.
        scale: ``(dim,)``.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int, width: int) -> None:
        super().__init__(dim, width)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def put(self, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
        """Set how numbers are standardised."""
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))

    def standardised(self, light: Tensor) -> Tensor:
        """Rows ``(batch, dim)`` of about unit length."""
        standard = ((light - self.mean) / self.scale).clamp(-CLIP, CLIP)
        return standard / math.sqrt(light.shape[1])

    def forward(self, light: Tensor) -> Tensor:
        """``(batch, dim)`` to what the committee reads."""
        rows = self.standardised(light.float())
        rows = rows @ self.directions() if self.basis.numel() else rows
        return self.in_seats(rows @ self.weight.flatten(1), rows)


class SparseView(_SeatMaps):
    """Logits of a sparse view: its counts weighted by TF-IDF, and mapped.

    Attributes:
        idf: weight of each bucket ``(buckets,)``.
        buckets: ``(dim,)`` those that are read.
    """

    idf: Tensor
    buckets: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(0, width)
        self.register_buffer("idf", torch.zeros(0))
        self.register_buffer("buckets", torch.zeros(0, dtype=torch.int64))

    def put(self, idf: NDArray[np.float32], buckets: NDArray[np.int64]) -> None:
        """Set how counts are weighted, and which are read."""
        self.idf, self.buckets = torch.from_numpy(idf), torch.from_numpy(buckets)

    def maps(self) -> SparseMaps:
        """The view's arrays in numpy."""
        arrays = {name: own.cpu().numpy() for name, own in self.named_buffers()}
        return SparseMaps.of({**arrays, "basis": self.directions().cpu().numpy()})

    def logits(self, counts: Rows) -> NDArray[np.float32]:
        """What the committee reads ``(n, seats * width + dims)`` of counts ``(n, buckets)``."""
        return self.maps().logits(counts)

    def forward(self, logits: Tensor) -> Tensor:
        """What ``logits`` gave is read as it is."""
        return logits


class CommitteeHead(Fitted):
    """For each record, the sum of the views that it has and a constant, in the seat that it takes.

    Attributes:
        patterns: which modalities each seat has ``(seats, modalities)``; the last one has all that
            are read, and answers where no other has just those of a record.
        constant: ``(seats, width)``.
        shift: the part of the constant ``(width,)`` that tells how common classes are among all
            records; no temperature touches it.
        neighbours: the member that compares a record with training records.

    Args:
        dims: view name to the length of what light heads read.
        sparse: names of the sparse views.
        modalities: number of modalities.
        width: number of logits.
        sigmoid: whether a record has any number of classes.
    """

    patterns: Tensor
    constant: Tensor
    shift: Tensor

    def __init__(
        self,
        dims: Mapping[str, int],
        sparse: Iterable[str],
        modalities: int,
        width: int,
        *,
        sigmoid: bool = False,
    ) -> None:
        super().__init__()
        self.views = nn.ModuleDict(
            {
                **{view: LinearView(dim, width) for view, dim in dims.items()},
                **{view: SparseView(width) for view in sparse},
            }
        )
        self.neighbours = Neighbours(width, sigmoid=sigmoid)
        self.register_buffer("patterns", torch.ones(1, modalities, dtype=torch.bool))
        self.register_buffer("constant", torch.zeros(1, width))
        self.register_buffer("shift", torch.zeros(width))

    def put(
        self,
        patterns: NDArray[np.bool_],
        constant: NDArray[np.float32],
        shift: NDArray[np.float64],
    ) -> None:
        """Set the seats."""
        self.patterns, self.constant = torch.from_numpy(patterns), torch.from_numpy(constant)
        self.shift.copy_(torch.from_numpy(shift))

    @property
    def reads(self) -> int:
        """How many numbers it reads of each modality."""
        return self.constant.numel() + self.neighbours.dims

    def forward(self, parts: Tensor, present: Tensor) -> Tensor:
        """Logits ``(batch, width)``, each of the seat that a record takes.

        Args:
            parts: sum of what the views gave ``(batch, seats * width + dims)``.
            present: ``(batch, modalities)`` bool.
        """
        logits, vectors = parts[:, : self.constant.numel()], parts[:, self.constant.numel() :]
        every = logits.reshape(-1, *self.constant.shape) + self.constant
        same = ((present & self.patterns[-1])[:, None] == self.patterns).all(dim=2)
        seat = torch.where(same.any(dim=1), same.int().argmax(dim=1), len(self.constant) - 1)
        found: Tensor = every.gather(1, seat[:, None, None].expand(-1, 1, every.shape[2]))[:, 0]
        return found + self.neighbours(vectors) if self.neighbours.dims else found
