"""Where a name says that the records of its class lie, in the views that can read names.

The names of the known classes are read into a view as a text of its own would be. Pictures and
texts lie apart in a common space of both, so the name alone is no mean of a class; but what sets
one name apart from the others tells what sets its records apart: ``mean(c) = M + a (t(c) - T)``
with ``M`` and ``T`` the means of the other classes' means and names, and ``a`` the factor with the
least squares among them. The mean of a known class is told without its own records.

Source: classes from names, Radford et al. 2021 (arXiv:2103.00020), the template too; the gap,
Liang et al. 2022 (arXiv:2203.02053).
"""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from components.core.errors import UserError
from components.features.modality import Modality
from components.features.naming import readers
from components.model.committee import LinearView
from components.model.network import Model
from components.model.reference import Reference
from components.parts.network import ViewNetwork
from components.prediction.new_class import memberships_of
from components.prediction.view_metric import Floats

_LEAST = 3
"""Known classes with records: fewer tell nothing of how names and records belong together."""


def means(
    model: Model, modalities: Mapping[str, Modality], reference: Reference, new: str
) -> dict[str, Floats]:
    """View name to means ``(classes + 1, dim)``, in the order of the classes; the new one is last.

    Raises:
        UserError: no view reads names, or too few classes have records.
    """
    found = {}
    names = [*model.classes, new]
    for name, view in readers(modalities):
        if view not in reference.views or view not in model.committee.views:
            continue
        told = _rows(model, modalities[name], view, names)
        has = reference.present[:, model.columns[view]]
        members = memberships_of(reference, model.target.activation == "sigmoid") & has[:, None]
        known = np.flatnonzero(members.any(axis=0))
        if len(known) < _LEAST:
            continue
        rows = np.asarray(reference.views[view], np.float64)
        own = np.stack([rows[members[:, c]].mean(axis=0) for c in known])
        found[view] = expected(own, told, known)
    if not found:
        raise UserError(
            "a class is added from its name alone by a view that reads names: a text view, or"
            " pictures through an image-text model (CLIP, SigLIP), such as `encoders: [lite, {name:"
            f" transformers, model: FOLDER}}]`, with records of {_LEAST} classes; this model has"
            " none: give exemplars with `--from`"
        )
    return found


def expected(own: Floats, told: Floats, known: NDArray[np.int64]) -> Floats:
    """The mean of each class as its name tells it ``(classes, dim)``.

    Args:
        own: means of the known classes' records ``(k, dim)``.
        told: vectors of all names ``(classes, dim)``.
        known: which of the classes are known ``(k,)``; the others may be so for no record.
    """
    found = np.empty_like(told)
    for c in range(len(told)):
        others = known != c
        records, names = own[others], told[known[others]]
        centre, middle = records.mean(axis=0), names.mean(axis=0)
        spread = float(np.square(names - middle).sum())
        factor = float(((records - centre) * (names - middle)).sum()) / max(spread, 1e-12)
        found[c] = centre + max(factor, 0.0) * (told[c] - middle)
    return found


def _rows(model: Model, modality: Modality, view: str, names: Sequence[str]) -> Floats:
    """Names as light heads would read them ``(n, dim)``; far ones are not cut off."""
    pictures = modality.spec.raw != "text"
    texts = [f"a photo of a {name}." if pictures else name for name in names]
    inputs = np.asarray(modality.encoders[view].encode(texts))
    linear = cast(LinearView, model.committee.views[view])
    with torch.inference_mode():
        light = cast(ViewNetwork, model.encoders[view]).light(torch.from_numpy(inputs)).float()
        standard = (light - linear.mean) / linear.scale / light.shape[1] ** 0.5
    found: Floats = standard.cpu().numpy().astype(np.float64)
    return found
