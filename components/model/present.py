"""The present mask of one modality: absent rows are skipped on the CPU, and masked elsewhere."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from components.parts.network import Inputs


class ModalityRows(NamedTuple):
    """What comes of one modality of a batch; zeros where it is absent.

    Attributes:
        projected: ``(batch, dim)``.
        embedding: the same with unit length.
        logits: its own ``(batch, classes)``.
        linear: what the committee reads of it ``(batch, reads)``; the logits again where the mix
            has no committee.
    """

    projected: Tensor
    embedding: Tensor
    logits: Tensor
    linear: Tensor


def of_present(
    read: Callable[[Inputs], ModalityRows], inputs: Inputs, present: Tensor
) -> ModalityRows | None:
    """Compute the present rows of one modality, and give zeros for the others.

    Args:
        read: computes a modality from inputs of records that all have it.
        inputs: view name to ``(batch, *shape)``; absent rows are never read.
        present: ``(batch,)`` bool.

    Returns:
        None where no row is present, and ``read`` was not called.
    """
    if not chooses_rows(present):
        found = read({view: masked(rows, present) for view, rows in inputs.items()})
        return ModalityRows(*(masked(rows, present) for rows in found))
    chosen = present.nonzero().squeeze(1)
    if not len(chosen):
        return None
    if len(chosen) == len(present):
        return read(inputs)
    found = read({view: rows[chosen] for view, rows in inputs.items()})
    n = len(present)
    return ModalityRows(*(x.new_zeros(n, x.shape[1]).index_copy(0, chosen, x) for x in found))


def chooses_rows(present: Tensor) -> bool:
    """Whether only present rows are computed.

    A device would have to be waited for to know them, and an exported graph has no such choice.
    """
    return present.device.type == "cpu" and not torch.onnx.is_in_onnx_export()


def masked(rows: Tensor, present: Tensor) -> Tensor:
    """Rows ``(batch, …)``, with zeros in place of absent ones, which may hold anything."""
    return torch.where(present.view(-1, *[1] * (rows.ndim - 1)), rows, rows.new_zeros(()))


def mean_visible(embeddings: Mapping[str, Tensor], visible: Tensor) -> Tensor:
    """Mean ``(batch, dim)`` of the visible unit vectors, modalities sorted by name."""
    vectors = torch.stack([embeddings[name] for name in sorted(embeddings)], dim=1)
    shown = visible[:, :, None].to(vectors.dtype)
    return (vectors * shown).sum(dim=1) / shown.sum(dim=1).clamp_min(1)


def shown(
    projected: Mapping[str, Tensor], visible: Tensor, absent: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Replace the rows of modalities that are hidden or absent by a learned vector.

    Args:
        projected: modality name to ``(batch, dim)``, in the order of the mask's columns.
        visible: ``(batch, modalities)`` bool.
        absent: modality name to the learned vector ``(dim,)``.
    """
    return {
        name: torch.where(visible[:, column, None], rows, absent[name].to(rows.dtype))
        for column, (name, rows) in enumerate(projected.items())
    }
