"""Parts of a model that are set from the training records before steps are taken."""

import numpy as np
import torch

from components.model.network import Model
from components.parts.network import FitsParts, ViewNetwork
from components.training.data import TrainingData

_FIT_ROWS = 50_000
"""At most this many training records set means and scales."""
_PARTS_ROWS = 4096
"""At most this many tell a fusion what its parts look like before an epoch."""


def fit_encoders(model: Model, data: TrainingData, seed: int) -> None:
    """Set means and scales from the training records that have each modality, labelled or not.

    They depend on nothing else, so that a committee that was fitted to one model's fixed views is
    right in another model of the same data.
    """
    rows = data.train
    if len(rows) > _FIT_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _FIT_ROWS, replace=False))
    for column, name in enumerate(data.names):
        has = rows[data.present[rows, column]]
        for view in model.views[name]:
            network = model.encoders[view]
            assert isinstance(network, ViewNetwork)
            with torch.no_grad():
                network.fit_statistics(torch.from_numpy(data.arrays[view][has]))


def fit_fusion(model: Model, data: TrainingData, device: torch.device) -> None:
    """Tell a fusion that asks for it what the parts of training records look like.

    They are evenly spaced over the training records, so that every process sees the same.
    """
    if not isinstance(model.fusion, FitsParts):
        return
    count = min(_PARTS_ROWS, len(data.train))
    rows = data.train[np.linspace(0, len(data.train) - 1, count).astype(np.int64)]
    batch = data.batch(rows, device)
    training = model.training
    model.eval()
    with torch.no_grad():
        model.fusion.fit_parts(model.parts(batch.inputs, batch.present), batch.present)
    model.train(training)
