"""Random numbers of several processes that train as one.

All ranks seed torch's generators alike and draw alike: which modalities of the whole batch are
hidden, and whatever a loss draws. What runs on a rank's own rows (augmentation, dropout, a user's
own parts) draws from a generator of that rank and step, and leaves the common ones as they were.
One process draws everything from one generator.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def epoch_seed(seed: int, epoch: int) -> int:
    """Seed of what all ranks draw in an epoch."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def rank_seeds(seed: int, epoch: int, batch: int, rank: int, *more: int) -> tuple[int, int]:
    """Seeds of what one rank draws in one step: for the augmentation and for the model.

    ``more`` numbers tell further batches of the step apart.
    """
    sequence = np.random.SeedSequence([seed, epoch], spawn_key=(batch, rank, *more))
    augmentation, model = sequence.generate_state(2, np.uint64) >> 1
    return int(augmentation), int(model)


@contextmanager
def drawn_aside(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Restore torch's generators of the CPU and of a device on exit.

    Args:
        device: whose generator may be used within.
        seed: of the draws within; None continues from the present state.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        yield
