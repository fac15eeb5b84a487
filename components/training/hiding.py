"""Whole modalities hidden from training records, so that a model answers without them too.

``a' = a * Bernoulli(1 - rate_m)`` for each record, with at least one modality kept. The network
reads a learned vector in place of a hidden modality, as of an absent one.

Source: modality dropout, Neverova et al. 2016, ModDrop (arXiv:1501.00102).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

METHOD = {
    "id": "M01",
    "name": "modality masking (modality dropout)",
    "for": "records that will lack modalities when the model is used",
    "needs": "two modalities",
    "use": "training: {modality_dropout: {image: 0.4, text: 0.1}}",
}


def hide_modalities(present: Tensor, rates: float | Sequence[float] | Tensor) -> Tensor:
    """Which present modalities ``(batch, modalities)`` to hide; every record keeps at least one.

    Each present modality is hidden with its rate. Where that would hide all of them, one that is
    drawn evenly stays.

    Args:
        present: ``(batch, modalities)`` bool.
        rates: chance of hiding: one for all modalities, or one each.
    """
    each = torch.as_tensor(rates, dtype=torch.float32, device=present.device)
    draws = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
    hidden = present & (draws < each)
    # Below their rates draws are even up to the rate: as shares of it they are alike.
    shares = draws / (each / each.max()).clamp_min(torch.finfo(torch.float32).tiny)
    last = torch.zeros_like(present).scatter_(1, shares.argmax(dim=1, keepdim=True), value=True)
    lost = (hidden == present).all(dim=1, keepdim=True)
    return hidden & ~(lost & last)


def rates_of(dropout: float | Mapping[str, float], names: Sequence[str]) -> float | list[float]:
    """The rate of all modalities, or that of each; one that is not named is never hidden.

    >>> rates_of({"image": 0.4}, ["image", "text"])
    [0.4, 0.0]
    """
    if isinstance(dropout, Mapping):
        return [dropout.get(name, 0.0) for name in names]
    return dropout
