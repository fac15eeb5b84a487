"""Two halves of labelled records that were held out: one tunes, one chooses.

What is fitted to labels (the temperature of a network) would look better on the same records than
it is, so the records that choose between models are others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.core.refs import digest_bytes
from components.features.store import Features

_SALT = b"halves of held-out records"


@dataclass(frozen=True, kw_only=True)
class Halves:
    """Row numbers of labelled records.

    Attributes:
        tune: ``(k,)`` those that temperatures are fitted to.
        choose: ``(l,)`` those that choose between models.
    """

    tune: NDArray[np.int64]
    choose: NDArray[np.int64]


def halves(features: Features, rows: NDArray[np.int64]) -> Halves:
    """Divide labelled records ``(n,)`` by the digest of their group.

    A group is in one half alone, and the numbers of groups differ by at most one. Which half it is
    in depends on the names of the groups alone, never on a label's value.
    """
    groups = sorted(
        {features.groups[row] for row in rows},
        key=lambda group: digest_bytes(_SALT, group.encode()),
    )
    choosing = set(groups[::2])
    chooses = np.array([features.groups[row] in choosing for row in rows], dtype=np.bool_)
    return Halves(tune=rows[~chooses], choose=rows[chooses])
