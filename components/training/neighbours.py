"""The neighbour graph as a member of the committee: what the nearest training records say.

The distributions are those of the graph, fit by fit, so that a labelled record is answered by its
neighbours as they are known without its fold. It is no neighbour of itself, as no new record is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from components.model.neighbours import nearest, told
from components.training.graph import side_by_side
from components.training.views import Views

_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What the committee's member knows; see ``components.model.neighbours``.

    Attributes:
        shares: view name to its share of the similarity.
        rows: ``(m,)`` records of the data set.
        vectors: their views side by side ``(m, dims)``, numbers that half precision holds.
        distributions: ``(fits, m, classes)``, likewise.
        offset: ``(classes,)``, the shift to the shares of classes among all records, and the prior
            of a sigmoid.
        factors: what the logits count in each fit ``(fits,)``.
        sigmoid: whether a record has any number of classes.
    """

    shares: Mapping[str, float]
    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    distributions: NDArray[np.float32]
    offset: NDArray[np.float64]
    factors: NDArray[np.float64]
    sigmoid: bool

    def logits(
        self, views: Views, rows: NDArray[np.int64], fits: Sequence[int]
    ) -> NDArray[np.float32]:
        """``(fits, n, classes)`` of some fits."""
        among, own = torch.from_numpy(self.vectors), torch.from_numpy(self.rows)
        known = torch.from_numpy(self.distributions)
        found = np.zeros((len(fits), len(rows), known.shape[2]), np.float32)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            x = torch.from_numpy(side_by_side(views, self.shares, part))
            weights, numbers = nearest(x, among, torch.from_numpy(part)[:, None] == own)
            any_near = weights.sum(dim=1).numpy()[:, None] > 0
            for number, fit in enumerate(fits):
                logits = told(weights, numbers, known[fit], sigmoid=self.sigmoid).numpy()
                shifted = np.where(any_near, logits - self.offset, logits)
                found[number, start : start + _AT_ONCE] = self.factors[fit] * shifted
        return found
