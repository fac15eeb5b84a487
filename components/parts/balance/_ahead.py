"""How far each modality is ahead of the others."""

import torch
from torch import Tensor


def ahead(scores: Tensor) -> Tensor:
    """``r_m = score_m / mean_(n != m) score_n``, ``(modalities,)``.

    It is 1 for a modality without a score, and where no other has one.

    Args:
        scores: ``(modalities,)``, 0 where there is none.
    """
    known = (scores > 0).to(scores.dtype)
    rest = 1 - torch.eye(len(scores), device=scores.device)  # not a difference of sums: it rounds
    others = rest @ scores / (rest @ known).clamp_min(1)
    told = (scores > 0) & (others > 0)
    return torch.where(told, scores / others.clamp_min(1e-12), torch.ones_like(scores))
