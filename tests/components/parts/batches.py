"""Small batches of records with three modalities, and every subset of these."""

import itertools

import torch

NAMES = ("audio", "image", "text")
B, DIM, K = 12, 8, 5
SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(range(3), n)]


def present_with(subset):
    """A present mask ``(B, 3)``: every record has the modalities of a subset, by number."""
    present = torch.zeros(B, 3, dtype=torch.bool)
    present[:, list(subset)] = True
    return present
