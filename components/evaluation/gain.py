"""Does fusion pay? The fused model against the best single modality, over records and seeds.

The best single modality is chosen on validation records. On test records
``D = metric(fused) - metric(best single)``, each a mean over training seeds; its interval is that
of a paired bootstrap which draws seeds and records, both with replacement. Fusion ships only if the
lower limit is above zero. All rows have the same splits, labels, encoders and seeds.

Source: paired bootstrap, Efron & Tibshirani 1993, An introduction to the bootstrap; one protocol
for all rows, Musgrave et al. 2020, A metric learning reality check (arXiv:2003.08505).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.evaluation.comparison import Interval
from components.parts.classification import Classes

METHOD = {
    "id": "E09",
    "name": "fusion-gain test",
    "for": "deciding whether more than one modality pays",
    "needs": "two modalities and labelled test records",
    "use": "concord run CONFIG",
}
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What fusion gains over the best single modality.

    Attributes:
        best: the single modality that was best on validation records.
        interval: of the gain.
    """

    best: str
    interval: Interval

    @property
    def ships(self) -> bool:
        """Whether fusion is worth it beyond chance."""
        return self.interval.low > 0


def fusion_gain(
    labels: Classes,
    fused: Classes,
    singles: Mapping[str, Classes],
    judged: Mapping[str, float],
    *,
    metric: Literal["accuracy", "macro_f1"] = "accuracy",
    resamples: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Gain:
    """Compare a fused model with the best single modality on the same test records.

    Args:
        labels: ``(n,)`` true classes of test records.
        fused: ``(seeds, n)`` answers.
        singles: modality name to answers ``(seeds, n)``.
        judged: modality name to its figure on validation records, which chooses the best.
        metric: what is compared; macro-F1 counts the classes that occur in each resample.
        resamples: draws of the bootstrap.
        alpha: both tails together.
        seed: of numpy's default generator.

    Raises:
        UserError: no single modality, no record, or answers of unequal shape.
    """
    shapes = {np.shape(answers) for answers in (fused, *singles.values())}
    if not singles or not len(labels) or shapes != {(len(fused), len(labels))}:
        raise UserError(
            f"no gain to measure: got {len(labels)} labels and answers of shapes "
            f"{sorted(shapes)}; wanted (seeds, records) alike, of the fused model and of at "
            "least one single modality"
        )
    best = max(sorted(singles), key=lambda name: judged[name])
    rng = np.random.default_rng(seed)
    n, seeds = len(labels), len(fused)
    times = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    figure = _accuracy if metric == "accuracy" else _macro_f1
    times = np.concatenate([np.ones((1, n)), times])
    gains = np.stack(
        [
            figure(labels, a, times) - figure(labels, b, times)
            for a, b in zip(fused, singles[best], strict=True)
        ],
        axis=1,
    )
    low, high = np.quantile((gains[1:] * drawn).sum(axis=1), [alpha / 2, 1 - alpha / 2])
    interval = Interval(difference=float(gains[0].mean()), low=float(low), high=float(high))
    return Gain(best=best, interval=interval)


def _accuracy(labels: Classes, answers: Classes, times: Floats) -> Floats:
    """Accuracy ``(draws,)`` where each record counts so often, ``(draws, n)``."""
    return np.asarray(times @ (answers == labels) / len(labels))


def _macro_f1(labels: Classes, answers: Classes, times: Floats) -> Floats:
    """Macro-F1 ``(draws,)`` where each record counts so often, ``(draws, n)``."""
    names = np.unique(labels)
    true, said = labels[:, None] == names, answers[:, None] == names
    support, given, hits = times @ true, times @ said, times @ (true & said)
    f1 = np.where(support > 0, 2 * hits / np.maximum(support + given, 1), 0.0)
    return np.asarray(f1.sum(axis=1) / (support > 0).sum(axis=1))
