"""How what answers did on labelled records that were held out, record by record."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.core.files import read_json, write_json
from components.features.halves import halves
from components.features.store import Features
from components.model import storage
from components.model.description import BY_COMMITTEE, Mix
from components.training import taught
from components.training.light import light_views
from components.training.selection import Trial, held_out_by_folds, losses_of
from components.training.taught import Taught
from components.training.views import Views

HELD_OUT = "held_out.json"
LEAST = 50
"""Held-out records below which the network is not judged: so few would not speak for it."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The evidence of held-out records about a model.

    Attributes:
        ids: of the records.
        groups: group of each record.
        losses: negative log-likelihood of each record's label ``(k,)``.
        figures: name of the target's primary figure to its value on these records.
    """

    ids: list[str]
    groups: list[str]
    losses: NDArray[np.float64]
    figures: dict[str, float]

    @property
    def loss(self) -> float | None:
        """Their mean; None without records."""
        return float(self.losses.mean()) if len(self.losses) else None

    def save(self, place: Path) -> None:
        """Write it as JSON."""
        tree = {"figures": self.figures, "ids": self.ids, "groups": self.groups}
        write_json(place, tree | {"losses": self.losses.tolist()})

    @classmethod
    def read(cls, place: Path) -> "HeldOut":
        """Read what ``save`` wrote."""
        tree = read_json(place)
        losses = np.array(tree.pop("losses"), dtype=np.float64)
        return cls(losses=losses, **tree)  # type: ignore[arg-type]


def held_out(trial: Trial, mix: Mix, features: Features) -> HeldOut:
    """The records of a trial under a mix that was chosen by them.

    Where the network counts, its temperature comes from one half of the records, and the other half
    is told. Nothing is told where the trial cannot answer.
    """
    rows, names, target = trial.rows, features.names, features.target
    if not trial.answers(mix) or not target.width:
        return HeldOut(ids=[], groups=[], losses=np.zeros(0), figures={})
    logits = trial.logits(mix, names).astype(np.float64)
    if mix.network:
        half = halves(features, rows)
        tune, judge = np.isin(rows, half.tune), np.isin(rows, half.choose)
        if trial.committee is None:  # otherwise the mix knows the temperature
            logits = logits / target.calibrate(logits[tune], features.labels[rows[tune]])
        rows, logits = rows[judge], logits[judge]
    figures = {}
    if len(rows):
        answers = target.answers(target.probabilities(logits))
        primary = str(target.primary)
        figures = {primary: float(target.metrics(features.labels[rows], answers)[primary])}
    return HeldOut(
        ids=[features.ids[row] for row in rows],
        groups=[features.groups[row] for row in rows],
        losses=losses_of(logits, features, rows),
        figures=figures,
    )


def of_committee(features: Path, committee: Path) -> tuple[HeldOut, bool] | None:
    """The evidence of held-out records about a committee; None without one.

    Args:
        features: output of encode.
        committee: folder that ``teaching.write`` wrote.

    Returns:
        What they say, and whether its first fold is large enough to judge a network too.
    """
    found = taught.load(committee)
    if found is None:
        return None
    data = Features.load(features)
    views = light_views(storage.load(committee), data, found.made, found.labelled.rows)
    trial = everything_held_out(found, views)
    return held_out(trial, BY_COMMITTEE, data), judges(found)


def judges(found: Taught) -> bool:
    """Whether the first fold of a committee's records is large enough to judge a network."""
    return int(((found.labelled.folds == 0) & found.labelled.telling).sum()) >= LEAST


def everything_held_out(found: Taught, views: Views) -> Trial:
    """All records that tell how good a committee is; none where each is alone in its class."""
    at = np.flatnonzero(found.labelled.telling)
    return Trial(rows=found.labelled.rows[at], committee=held_out_by_folds(found, views, at))
