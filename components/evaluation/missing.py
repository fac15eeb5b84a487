"""What is left when more and more modalities are missing, at random and otherwise.

A present modality of a record is hidden with a chance; at least one stays. At random all records
have the same chance, the rate. Otherwise the chance rises with a record's standing, in some other
field or in what is predicted, at the same mean rate; the reversed pattern falls with it.

Source: missing at random and not at random, Rubin 1976, Inference and missing data (Biometrika 63);
accuracy over missing rates, Ma et al. 2022 (arXiv:2204.05454).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

METHOD = {
    "id": "E01",
    "name": "modality subsets and missing-rate sweeps",
    "for": "how a model does when modalities are missing",
    "needs": "two modalities and labelled test records",
    "use": "concord run CONFIG",
}
RATES = tuple(round(0.1 * step, 1) for step in range(10))
Seen = NDArray[np.bool_]
"""Which modalities a model sees of each record, ``(n, modalities)``; at least one."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure at rising missing rates.

    Attributes:
        rates: ``(k,)`` rising.
        values: ``(k,)`` the figure at each.
    """

    rates: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def area(self) -> float:
        """The mean figure over the range of rates, by trapezoids."""
        return float(np.trapezoid(self.values, self.rates) / (self.rates[-1] - self.rates[0]))

    @property
    def fall(self) -> float:
        """What is lost from the first rate to the last."""
        return self.values[0] - self.values[-1]


def standing(values: NDArray[Any]) -> NDArray[np.float64]:
    """Middle ranks ``(n,)`` of values, from 0 to 1, with mean one half.

    >>> standing(np.array([30, 10, 30, 20])).tolist()
    [0.75, 0.125, 0.75, 0.375]
    """
    _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    return np.asarray((below + counts / 2)[code.reshape(-1)] / len(values))


def by_frequency(values: NDArray[Any]) -> NDArray[np.float64]:
    """Standing ``(n,)`` of records by how many have the same value; rare ones stand low."""
    _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
    # Equally frequent values stand apart, so that the pattern depends on them at all.
    order = np.argsort(np.argsort(counts, kind="stable"))
    return standing(order[code.reshape(-1)])


def chances(rate: float, stands: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chances ``(n,)`` of hiding that rise with the standing and have this mean."""
    return np.asarray(rate + 2 * min(rate, 1 - rate) * (stands - 0.5))


def left(present: Seen, chance: NDArray[np.float64] | float, draws: NDArray[np.float64]) -> Seen:
    """What is seen where each present modality is hidden with its record's chance.

    With the same draws, a higher chance hides what a lower one hides, and more.

    Args:
        present: ``(n, modalities)``; at least one of each record.
        chance: ``(n,)``, or one for all records.
        draws: ``(n, modalities)``, even from 0 to 1.
    """
    given = np.where(present, draws, -1.0)
    seen = given >= np.broadcast_to(chance, len(present))[:, None]
    seen[np.arange(len(seen)), given.argmax(axis=1)] = True
    return np.asarray(seen & present)


def sweep(
    answers: Callable[[Seen], NDArray[Any]],
    figure: Callable[[NDArray[Any]], float],
    present: Seen,
    stands: NDArray[np.float64] | None = None,
    *,
    rates: Sequence[float] = RATES,
    draws: int = 5,
    seed: int = 0,
) -> Curve:
    """A figure at rising missing rates, each a mean over draws of what is missing.

    Args:
        answers: outputs of the model for all records when it sees these modalities.
        figure: of such answers.
        present: which modalities each record has ``(n, modalities)``.
        stands: rank ``(n,)`` of each record, from 0 to 1; None hides at random.
        rates: of hiding.
        draws: how many; they are the same at all rates and for all patterns.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    even = [rng.random(present.shape) for _ in range(draws)]
    values = []
    for rate in rates:
        chance = rate if stands is None else chances(rate, stands)
        each = even[:1] if rate == 0 else even
        found = [figure(answers(left(present, chance, one))) for one in each]
        values.append(float(np.mean(found)))
    return Curve(rates=tuple(rates), values=tuple(values))
