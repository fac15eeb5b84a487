"""Projectors that are computed from the training records before the first step."""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from components.core.errors import UserError
from components.model.network import Model
from components.parts import loading as parts
from components.parts.network import ViewNetwork
from components.training.data import TrainingData

_MOST = 50_000
"""Training records that are read, evenly spaced; ten times as many dimensions are fewer."""
_BATCH = 1024


def fit_projectors(model: Model, data: TrainingData) -> None:
    """Fit the projectors of a model whose part says how; others are left as they are.

    Args:
        model: on the processor, with the statistics of its encoders.
        data: the records.

    Raises:
        UserError: an encoder is trained, so that what it gives would change after the fit.
    """
    part = parts.load("projectors", model.config.projector.name, model.base)
    if not hasattr(part, "fit"):
        return
    trained = [
        view
        for views in model.views.values()
        for view in views
        if any(own.requires_grad for own in model.encoders[view].parameters())
    ]
    if trained:
        raise UserError(
            f"model.projector {model.config.projector.name}: got {', '.join(trained)}, whose "
            "encoders are trained, wanted frozen encoders alone; choose others under `modalities`, "
            "leave the modality out of the manifest, or use the projector linear"
        )
    rows = data.train[:: -(-len(data.train) // _MOST)]
    vectors = {
        name: _features(model, name, data, rows, data.present[rows, column])
        for column, name in enumerate(data.names)
    }
    part.fit(dict(model.projectors.items()), vectors, data.present[rows])


def _features(
    model: Model,
    name: str,
    data: TrainingData,
    rows: NDArray[np.int64],
    has: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """What a projector reads of some records ``(k, width)``, zeros where it is absent."""
    at, read = rows[has], [cast(ViewNetwork, model.encoders[view]) for view in model.views[name]]
    found = np.zeros((len(rows), sum(encoder.out_dim for encoder in read)), np.float32)
    was = model.encoders.training
    model.encoders.eval()
    made = []
    for start in range(0, len(at), _BATCH):
        some = at[start : start + _BATCH]
        given = [torch.from_numpy(data.arrays[view][some]) for view in model.views[name]]
        with torch.inference_mode():
            outputs = [encoder(own) for encoder, own in zip(read, given, strict=True)]
            made.append(torch.cat(outputs, dim=1).float().numpy())
    model.encoders.train(was)
    found[has] = np.concatenate(made) if made else found[has]
    return found
