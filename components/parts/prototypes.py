"""One vector for each class, from what its name says and from any number of examples.

``w_c = norm(l t_c + (1 - l) v_c)`` with ``t_c`` the vector of the class's texts, ``v_c`` the mean
of its examples and ``l = prior / (prior + n)``: a name counts for as much as ``prior`` examples,
and less the more there are. No class changes another's vector, so one can come at any time.

Source: class means, Snell et al. 2017 (arXiv:1703.05175); texts and examples of a class together,
Kaul et al. 2023, Multi-modal classifiers for open-vocabulary object detection (arXiv:2306.05493).
"""

import numpy as np
from numpy.typing import NDArray

METHOD = {
    "id": "H02",
    "name": "prototypes from class text and examples",
    "for": "one to eight examples of a class whose name says what it is; classes that come later",
    "needs": "a view that reads names: an image-text model, or a text with a dense encoder",
    "use": "concord classes add NAME --from DATA --with-name",
}
PRIOR = 2.0
"""Examples that a name counts for."""
Floats = NDArray[np.float64]


def text_share(examples: NDArray[np.integer] | int, prior: float = PRIOR) -> Floats:
    """``l`` of a number of examples; 1 without any.

    >>> text_share(np.array([0, 2, 6])).tolist()
    [1.0, 0.5, 0.25]
    """
    count = np.asarray(examples, np.float64)
    return np.asarray(np.where(count > 0, prior / np.maximum(prior + count, 1e-12), 1.0))


def class_vectors(
    texts: NDArray[np.floating],
    means: NDArray[np.floating],
    examples: NDArray[np.integer],
    prior: float = PRIOR,
) -> Floats:
    """``w (classes, dim)``, unit vectors.

    Args:
        texts: ``t (classes, dim)``, unit vectors.
        means: of the examples' unit vectors ``(classes, dim)``; not read without an example.
        examples: how many there are ``(classes,)``.
        prior: examples that a text counts for; 0: examples alone, where there are any.
    """
    share = text_share(examples, prior)[:, None]
    return unit(share * texts + (1 - share) * np.where(share < 1, means, 0.0))


def unit(x: NDArray[np.floating]) -> Floats:
    """Rows ``(n, dim)`` of length 1; zeros stay."""
    found = np.asarray(x, np.float64)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))
