"""The accuracy that no model can exceed on average: Bayes' rule of the known generator."""

from itertools import combinations

import numpy as np

from components.beds.generator import generator
from components.beds.knobs import Knobs

_DRAWS = 20_000
"""So many records give an accuracy with a standard error of at most .0025."""


def oracle(bed: str, knobs: Knobs, draws: int = _DRAWS) -> dict[str, float]:
    """Oracle accuracy of each subset of modalities, such as ``a+b``; then of what records have.

    It is the mean of the largest posterior over fresh records, which varies less than the share
    that Bayes' rule gets right. Labels, wrong pairs and hidden labels of training play no part: the
    oracle knows the generator.

    Args:
        bed: `pair` or `xor`.
        knobs: its settings.
        draws: fresh records.

    Returns:
        Subset to accuracy, and ``as drawn``: over records with the chance ``missing``.
    """
    law = generator(bed, knobs)
    drawn = law.draw(draws, np.random.default_rng([knobs.seed, 2]))
    best, weights = {}, {}
    every = range(knobs.modalities)
    for size in range(1, knobs.modalities + 1):
        for subset in combinations(every, size):
            name = "+".join(knobs.names[m] for m in subset)
            best[name] = float(law.posterior(drawn.vectors, subset).max(1).mean())
            lost = knobs.modalities - size
            weights[name] = (1 - knobs.missing) ** size * knobs.missing**lost
    # Where all would be lost one is kept, each as often.
    none = knobs.missing**knobs.modalities / knobs.modalities
    weights |= {name: weights[name] + none for name in knobs.names}
    return {**best, "as drawn": sum(best[name] * weights[name] for name in best)}
