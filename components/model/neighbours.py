"""A record's class distribution by its nearest training records: the average of theirs.

Source: propagation to new records by their neighbours, Delalleau et al. 2005 (AISTATS, 96-103);
sharpened similarities, Iscen et al. 2019 (arXiv:1904.04717).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.model.fitted import Fitted

NEIGHBOURS = 15
_SHARPNESS = 8
"""Power of the similarities. On hidden labels of training records 8 was better than 4."""
_DOUBT = 0.02
"""Share of a uniform distribution in every answer: no class is ever ruled out."""


def nearest(vectors: Tensor, among: Tensor, but: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Weights and numbers ``(n, k)`` of the nearest records.

    Args:
        vectors: ``(n, dims)``.
        among: ``(m, dims)``.
        but: pairs that do not count ``(n, m)``.
    """
    similar = vectors @ among.T
    if but is not None:
        similar = similar.masked_fill(but, 0.0)
    found, numbers = similar.topk(min(NEIGHBOURS, len(among)), dim=1)
    return found.clamp_min(0.0) ** _SHARPNESS, numbers


def told(weights: Tensor, numbers: Tensor, distributions: Tensor, *, sigmoid: bool) -> Tensor:
    """Logits ``(n, classes)`` of averaged distributions; zeros without a neighbour.

    Args:
        weights: ``(n, k)``.
        numbers: ``(n, k)``.
        distributions: ``(m, classes)``.
        sigmoid: whether a record has any number of classes.
    """
    total = weights.sum(dim=1, keepdim=True)
    share = (weights / total.clamp_min(1e-30)).to(distributions.dtype)
    p = (share[:, :, None] * distributions[numbers]).sum(dim=1)
    p = (1 - _DOUBT) * p + _DOUBT / (2 if sigmoid else p.shape[1])
    logits = p.log() - (-p).log1p() if sigmoid else p.log()
    return torch.where(total > 0, logits, torch.zeros_like(logits))


class Neighbours(Fitted):
    """A member of the committee; without training records it says nothing.

    Attributes:
        vectors: of training records ``(m, dims)``, in half precision.
        distributions: ``(m, known)``, in half precision.
        known: numbers of the classes that they are of ``(known,)``; what is said of any other class
            is the mean, and nothing where a record has any number of classes.
        offset: logits ``(known,)`` that are taken away: the distributions are of classes as they
            are shared among all records, the committee's members of those among labels; of sets,
            what is said of a record of which nothing is told.
        factor: what the logits count.
    """

    vectors: Tensor
    distributions: Tensor
    known: Tensor
    offset: Tensor
    factor: Tensor

    def __init__(self, width: int, *, sigmoid: bool) -> None:
        super().__init__()
        self.width, self.sigmoid = width, sigmoid
        self._read: tuple[Tensor, Tensor, Tensor] | None = None
        self.register_buffer("vectors", torch.zeros(0, 0, dtype=torch.float16))
        self.register_buffer("distributions", torch.zeros(0, width, dtype=torch.float16))
        self.register_buffer("known", torch.arange(width))
        self.register_buffer("offset", torch.zeros(width))
        self.register_buffer("factor", torch.zeros(()))

    def put(
        self,
        vectors: NDArray[np.float32],
        distributions: NDArray[np.float32],
        offset: NDArray[np.float64],
        factor: float,
    ) -> None:
        """Set what the member knows, of all classes."""
        self.vectors = torch.from_numpy(vectors.astype(np.float16))
        self.distributions = torch.from_numpy(distributions.astype(np.float16))
        self.offset.copy_(torch.from_numpy(offset))
        self.factor = torch.tensor(factor)

    @property
    def dims(self) -> int:
        """How many numbers of a record it reads."""
        return self.vectors.shape[1]

    def forward(self, vectors: Tensor) -> Tensor:
        """``(batch, dims)`` to logits ``(batch, width)``."""
        among, distributions = self._single_precision()
        weights, numbers = nearest(vectors.float(), among)
        logits = told(weights, numbers, distributions, sigmoid=self.sigmoid)
        logits = torch.where(weights.sum(1, keepdim=True) > 0, logits - self.offset, logits)
        logits = self.factor * logits
        # A class that came later takes the place of the others, or stands for itself.
        other = torch.zeros_like(logits[:, :1]) if self.sigmoid else logits.mean(1, keepdim=True)
        every = other.repeat(1, self.width)
        return every.index_copy(1, self.known, logits)

    def _single_precision(self) -> tuple[Tensor, Tensor]:
        """Vectors and distributions, made once: for one request that would be most of the work."""
        if self._read is None or self._read[0] is not self.vectors:
            self._read = (self.vectors, self.vectors.float(), self.distributions.float())
        return self._read[1:]
