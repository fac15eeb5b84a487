"""Which records of a batch have the same label, as losses that contrast classes need it."""

import torch
from torch import Tensor

from components.parts.contracts import Target


def same_label(targets: Tensor, weights: Tensor, target: Target | None = None) -> Tensor:
    """How far two records have the same label ``(batch, batch)``, from 0 to 1.

    Of one class it is the probability that both have the same, so 0 or 1 for labels that are facts;
    of sets of classes the share of common ones (Tanimoto) among the classes that are known of both.
    A record without a label is like itself alone.

    Args:
        targets: ``(batch, classes)`` as ``target.soft`` gives them, NaN where nobody knows.
        weights: ``(batch,)``, 0 for records without a label.
        target: what is predicted; by default one class.
    """
    given = targets.float().nan_to_num()
    found = given @ given.T
    if target is not None and target.activation == "sigmoid":
        sizes = given.square() @ (~targets.isnan()).to(given.dtype).T
        found = found / (sizes + sizes.T - found).clamp_min(1e-6)
    known = weights > 0
    found = found.masked_fill(~(known[:, None] & known), 0.0)
    own = torch.eye(len(found), dtype=torch.bool, device=found.device)
    return found.masked_fill(own, 1.0)
