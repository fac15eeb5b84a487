"""How much a model's figure falls when raw values are made worse, by kind and severity.

Source: Cross-Modal Attribute Insertions (2023), Cross-Modal Content Dilutions (2022); noise as in
Hendrycks & Dietterich 2019 (Benchmarking Neural Network Robustness to Common Corruptions).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.evaluation.comparison import Metric, paired_bootstrap
from components.evaluation.perturbations import (
    OF_MEDIA,
    OF_TEXT,
    SEVERITIES,
    Around,
    Record,
    surroundings,
)
from components.parts.contracts import Target

METHOD = {
    "id": "E02",
    "name": "perturbation stress tests",
    "for": "seeing how far a score falls when texts, pictures or sounds get worse",
    "needs": "labelled test records with texts, pictures or sounds",
    "use": "concord evaluate CONFIG --stress",
}

Answer = Callable[[Sequence[Record]], NDArray[Any]]
"""Raw records to coded answers ``(n, …)``."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One condition.

    Attributes:
        modality: whose values were made worse.
        perturbation: how.
        severity: 1 to 3.
        value: the figure.
        fall: share of the figure on clean records that is lost, with its 95% interval.
    """

    modality: str
    perturbation: str
    severity: int
    value: float
    fall: float
    low: float
    high: float


def stress(
    records: Sequence[Record],
    labels: NDArray[Any],
    answer: Answer,
    target: Target,
    kinds: Mapping[str, str],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> list[Row]:
    """Measure every perturbation that the modalities allow, of those that a record has.

    Args:
        records: raw values by modality, ``n`` of them.
        labels: coded labels ``(n, …)``.
        answer: the model.
        target: measures it.
        kinds: modality to its kind.
        seed: of the perturbations and the intervals.
        resamples: of the intervals.

    Raises:
        UserError: no modality can be perturbed.
    """
    metric = cast(Metric, target.primary)
    clean = answer(records)
    whole = target.metrics(labels, clean)[str(target.primary)]
    rows = []
    kinds = {m: kind for m, kind in kinds.items() if any(record.get(m) for record in records)}
    for modality, name, severity, worse in perturbed(records, kinds, seed):
        given = answer(worse)
        found = paired_bootstrap(
            labels, clean, given, metric=metric, resamples=resamples, seed=seed
        )
        rows.append(
            Row(
                modality=modality,
                perturbation=name,
                severity=severity,
                value=target.metrics(labels, given)[str(target.primary)],
                fall=found.difference / whole if whole else 0.0,
                low=found.low / whole if whole else 0.0,
                high=found.high / whole if whole else 0.0,
            )
        )
    if not rows:
        raise UserError(
            "--stress makes texts, pictures and sounds worse: of the modalities test records have "
            f"{', '.join(sorted(kinds)) or 'none'}; leave the option out"
        )
    return rows


def perturbed(
    records: Sequence[Record], kinds: Mapping[str, str], seed: int
) -> Iterator[tuple[str, str, int, list[Record]]]:
    """Modality, perturbation, severity and the records made worse by it."""
    for modality, kind in sorted(kinds.items()):
        if kind == "text":
            around = surroundings(records, modality)
            for name in OF_TEXT:
                if name == "insertion" and not any(one.attributes for one in around):
                    continue
                for severity in SEVERITIES:
                    rng = np.random.default_rng([seed, severity])
                    yield (
                        modality,
                        name,
                        severity,
                        texts(records, modality, name, severity, around, rng),
                    )
        for name, change in OF_MEDIA.get(kind, {}).items():
            for severity in SEVERITIES:
                rng = np.random.default_rng([seed, severity])
                worse = [
                    {**record, modality: change(record[modality], severity, rng)}
                    if record.get(modality)
                    else record
                    for record in records
                ]
                yield modality, name, severity, worse


def texts(
    records: Sequence[Record],
    modality: str,
    name: str,
    severity: int,
    around: Sequence[Around],
    rng: np.random.Generator,
) -> list[Record]:
    """The records with one text made worse; those without it as they are."""
    change = OF_TEXT[name]
    return [
        {**record, modality: change(record[modality], severity, near, rng)}
        if record.get(modality)
        else record
        for record, near in zip(records, around, strict=True)
    ]
