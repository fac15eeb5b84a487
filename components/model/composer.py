"""A learned composer: one query of a picture and words, computed in numpy.

``q = norm(z + W2 max(0, W1 [z; t] + b1) + b2)`` with ``z`` the unit vector of the reference and
``t`` that of the text, in the space of the modalities.

Source: the residual of TIRG, Vo et al. 2019, Composing text and image for image retrieval
(arXiv:1812.07119), without its gate.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from components.model.listing import read_files

COMPOSER, FIGURES = "composer.safetensors", "composer.json"
"""Its weights, and what held-out triplets say of it."""
_WEIGHTS = ("hidden.weight", "hidden.bias", "out.weight", "out.bias")
Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Composer:
    """The weights, and the modalities that it joins.

    Attributes:
        reference: modality of the example that is changed, and of what is searched.
        text: modality of the example that names the change.
        weights: ``hidden.weight (hidden, 2 dim)``, ``hidden.bias``, ``out.weight (dim, hidden)``
            and ``out.bias``.
    """

    reference: str
    text: str
    weights: dict[str, Array]

    def __call__(self, reference: Array, text: Array) -> Array:
        """Unit vectors ``(…, dim)`` of the queries, from those of references and texts."""
        w1, b1, w2, b2 = (self.weights[name].astype(np.float64) for name in _WEIGHTS)
        both = np.concatenate([reference, text], axis=-1).astype(np.float64)
        query = reference + np.maximum(both @ w1.T + b1, 0.0) @ w2.T + b2
        length = np.linalg.norm(query, axis=-1, keepdims=True)
        return np.asarray(query / np.maximum(length, 1e-12), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write ``composer.safetensors``."""
        about = {"reference": self.reference, "text": self.text}
        save_file(self.weights, folder / COMPOSER, metadata=about)

    @classmethod
    def load(cls, folder: Path) -> "Composer":
        """Read what ``save`` wrote."""
        with safe_open(folder / COMPOSER, framework="numpy") as file:
            about = file.metadata()
            weights = {name: file.get_tensor(name) for name in _WEIGHTS}
        return cls(reference=about["reference"], text=about["text"], weights=weights)

    @classmethod
    def of_package(cls, package: Path) -> "Composer | None":
        """That of a package; None where its list names none."""
        return cls.load(package) if COMPOSER in read_files(package) else None
