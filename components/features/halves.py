"""The two halves of the labelled validation records: one tunes models, one chooses between them.

Whatever is fitted to validation labels (temperatures, the shift of class shares) shapes
pseudo-labels, and with them the student. Compared with its teacher on the same records, a student
would look better than it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.core.refs import digest_bytes
from components.features.store import Features

_SALT = b"halves of the validation split"


@dataclass(frozen=True, kw_only=True)
class Halves:
    """Row numbers of the labelled validation records.

    Attributes:
        tune: ``(k,)`` those that temperatures and labellers are fitted to.
        choose: ``(l,)`` those that choose between models.
    """

    tune: NDArray[np.int64]
    choose: NDArray[np.int64]


def halves(features: Features) -> Halves:
    """Divide the labelled validation records by the digest of their group.

    A group is in one half alone, and the numbers of groups differ by at most one. Which half it is
    in depends on the names of the groups alone, never on a label's value.
    """
    rows = features.rows("val", labelled=True)
    groups = sorted(
        {features.groups[row] for row in rows},
        key=lambda group: digest_bytes(_SALT, group.encode()),
    )
    choosing = set(groups[::2])
    chooses = np.array([features.groups[row] in choosing for row in rows], dtype=np.bool_)
    return Halves(tune=rows[~chooses], choose=rows[chooses])
