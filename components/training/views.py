"""What light heads read of records, view by view."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.model.subsets import patterns


def modality_of(view: str) -> str:
    """The modality of a view.

    >>> modality_of("text/minilm")
    'text'
    """
    return view.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Views:
    """What light heads read, of ``n`` records.

    Attributes:
        features: view name to ``(n, dim)``, rows of about unit length; zeros where it is absent.
        present: view name to ``(n,)`` bool.
    """

    features: Mapping[str, NDArray[np.float32]]
    present: Mapping[str, NDArray[np.bool_]]

    @property
    def anything(self) -> NDArray[np.bool_]:
        """Which records ``(n,)`` have a view at all."""
        found: NDArray[np.bool_] = np.any(list(self.present.values()), axis=0)
        return found

    @property
    def modalities(self) -> list[str]:
        """Those that have a view, sorted."""
        return sorted({modality_of(view) for view in self.features})

    def of(self, names: Collection[str]) -> "Views":
        """The same records with only some of their modalities."""
        present = {view: has & (modality_of(view) in names) for view, has in self.present.items()}
        return replace(self, present=present)

    def keys(self, rows: NDArray[np.int64] | slice) -> list[str]:
        """Key of the subset of modalities that each of some records has; empty without any."""
        names = self.modalities
        columns = [
            np.any([has[rows] for v, has in self.present.items() if modality_of(v) == name], axis=0)
            for name in names
        ]
        return patterns(np.stack(columns, axis=1), names)
