"""What a model answers with (network, committee or both), and how its answers are calibrated.

Records that judge were held out of everything that answers for them: labelled training records,
each answered by fits without its fold; or the validation records, where a run says so. One half of
them tunes the network's temperature, the other half chooses. The mean of both answers, unless one
alone is better by more than chance; of sets of classes the half that tunes, which has a label for
every class of a record, also tells what share the network has in that mean. Too few records judge
no network; it has its share all the same if it learned from the committee's soft answers, and then
the mean has the committee's temperature.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.halves import halves
from components.features.store import Features
from components.model.description import BY_COMMITTEE, Mix
from components.model.inference import infer
from components.model.network import Model
from components.model.subsets import REST, measured, patterns, subset_key, temperature
from components.parts.contracts import Target
from components.parts.linear import activated
from components.training.taught import Taught
from components.training.teaching import soft
from components.training.views import Views

_DRAWN = 10
"""Records that the temperature of all records counts for, beside those of a subset."""
_TELLING = 1e-3
"""Least mean log-likelihood by which the answers of a subset must beat a guess."""
Logits = NDArray[np.floating[Any]]
Answers = Callable[[Sequence[str]], Logits]
"""Held-out logits ``(k, classes)`` from some modalities; no record lacks all of them."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Records that judge, and what answers for them.

    Attributes:
        rows: ``(k,)`` their numbers in the data set.
        committee: its answers; None without one.
        network: its answers; None where it is not judged.
    """

    rows: NDArray[np.int64]
    committee: Answers | None = None
    network: Answers | None = None

    def answers(self, mix: Mix) -> bool:
        """Whether there are records, and everything that counts in a mix answers for them."""
        network, committee = self.network is not None, self.committee is not None
        enough = (network or not mix.network) and (committee or not mix.committee)
        return bool(len(self.rows)) and enough

    def logits(self, mix: Mix, names: Sequence[str]) -> Logits:
        """Logits ``(k, classes)`` of a mix, from some modalities."""
        parts = [
            factor * answers(names)
            for factor, answers in ((mix.network, self.network), (mix.committee, self.committee))
            if factor and answers is not None
        ]
        found: Logits = np.sum(parts, axis=0)
        return found


def held_out_by_folds(taught: Taught, views: Views, at: NDArray[np.int64] | None = None) -> Answers:
    """Answers of a committee for labelled training records, each by the fit without its fold.

    They are without the shift to the shares of the classes among all records: labels may be drawn
    otherwise.

    Args:
        taught: the committee.
        views: of all records.
        at: which of its labelled records ``(k,)``, all by default.
    """
    labelled = taught.labelled
    at = np.arange(len(labelled.rows)) if at is None else at

    def answers(names: Sequence[str]) -> Logits:
        every = taught.committee.every(views.of(names), labelled.rows)
        return (labelled.held_out(every) - taught.shift)[at]

    return answers


def of_model(model: Model, mix: Mix, features: Features, rows: NDArray[np.int64]) -> Answers:
    """Answers of a model for records ``(k,)`` that it did not learn from.

    The model may know fewer modalities than the data set.
    """
    present = features.present[:, [features.names.index(name) for name in model.names]]

    def answers(names: Sequence[str]) -> Logits:
        before, model.mix = model.mix, mix
        try:
            found = infer(model, features.arrays, present, rows, tuple(names), each=False).logits
        finally:
            model.mix = before
        return np.nan_to_num(found)

    return answers


def choose(
    trial: Trial, features: Features, unjudged: Mix = BY_COMMITTEE
) -> tuple[Mix, dict[str, Any]]:
    """What answers: committee and network together, unless the records speak for one of them.

    Args:
        trial: the records that judge.
        features: the data set.
        unjudged: what answers where no record judges the network.

    Returns:
        The mix, and figures of the choice.
    """
    if trial.committee is None:
        return Mix(), {"kept": "student", "records": 0, "losses": {}}
    judging = _judging(trial, features)
    if judging is None:
        kept = "mix" if unjudged.network else "committee"
        return unjudged, {"kept": kept, "records": 0, "losses": {}}
    own, judge = judging
    share = _share(trial, own, ~judge, features)
    candidates = {
        "mix": Mix(network=share / own, committee=1 - share),
        "committee": BY_COMMITTEE,
        "student": Mix(network=1.0 / own, committee=0.0),
    }
    losses = {name: _losses(trial, mix, features)[judge] for name, mix in candidates.items()}
    kept = "mix"
    for name, loss in losses.items():
        if _beyond_chance(losses[kept] - loss):
            kept = name
    means = {name: float(found.mean()) for name, found in losses.items()}
    figures = {"kept": kept, "records": int(judge.sum()), "losses": means, "share": share}
    return candidates[kept], figures


def _share(trial: Trial, own: float, tune: NDArray[np.bool_], features: Features) -> float:
    """What the network counts in the mix, by its temperature and the records that tune ``(k,)``.

    Of sets it is drawn towards a half by as much as one label says; else it is a half.
    """
    if features.target.activation != "sigmoid":
        return 0.5
    from scipy.optimize import minimize_scalar

    network, committee = (
        trial.logits(mix, features.names)[tune]
        for mix in (Mix(network=1.0 / own, committee=0.0), BY_COMMITTEE)
    )
    rows, pull = trial.rows[tune], features.target.width / (2 * tune.sum())

    def loss(share: float) -> float:
        mixed = share * network + (1 - share) * committee
        return float(losses_of(mixed, features, rows).mean() + pull * (share - 0.5) ** 2)

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)


def beats(trial: Trial, other: Trial, features: Features) -> bool:
    """Whether one network is better than another on the same records, by more than chance."""
    mine, theirs = network_losses(trial, features), network_losses(other, features)
    return mine is not None and theirs is not None and _beyond_chance(theirs - mine)


def network_losses(trial: Trial, features: Features) -> NDArray[np.float64] | None:
    """Losses ``(j,)`` of the network alone on the half of the records that chooses.

    None where no record judges it.
    """
    judging = _judging(trial, features)
    if judging is None:
        return None
    own, judge = judging
    return _losses(trial, Mix(network=1.0 / own), features)[judge]


def _judging(trial: Trial, features: Features) -> tuple[float, NDArray[np.bool_]] | None:
    """Temperature of the network by one half of the records, and the half that judges ``(k,)``."""
    if trial.network is None:
        return None
    half = halves(features, trial.rows)
    tune, judge = (np.isin(trial.rows, rows) for rows in (half.tune, half.choose))
    if not tune.any() or not judge.any():
        return None
    logits = trial.logits(Mix(), features.names)[tune]
    return features.target.calibrate(logits, features.labels[trial.rows][tune]), judge


def _losses(trial: Trial, mix: Mix, features: Features) -> NDArray[np.float64]:
    return losses_of(trial.logits(mix, features.names), features, trial.rows)


def _beyond_chance(gains: NDArray[np.float64]) -> bool:
    """Whether a mean ``(k,)`` is above zero by more than its standard error."""
    return bool(gains.mean() > gains.std() / np.sqrt(len(gains)))


def calibration(trial: Trial, mix: Mix, features: Features) -> dict[str, float]:
    """Temperature of the answers of a mix from each subset of modalities, by the subset's key.

    Each is fitted to the records of the trial that have all modalities of the subset, and drawn
    towards that of all records, which also is that of subsets which are not measured one by one.
    A subset that tells nothing of the classes is no surer than that: any temperature suits answers
    that are all alike, and a network beside them, which the trial may not know, would be believed
    many times over. Nothing is said where the trial cannot answer.
    """
    found: dict[str, float] = {}
    if not trial.answers(mix):
        return found
    whole = trial.logits(mix, features.names)
    found[REST] = features.target.calibrate(whole, features.labels[trial.rows])
    for subset in measured(features.names):
        columns = [features.names.index(name) for name in subset]
        has = features.present[trial.rows][:, columns].all(axis=1)
        labels = features.labels[trial.rows][has]
        logits = trial.logits(mix, subset)[has]
        own = features.target.calibrate(logits, labels)
        if own < found[REST] and _tells_nothing(logits / own, features, trial.rows[has]):
            own = found[REST]
        share = len(labels) / (len(labels) + _DRAWN)
        found[subset_key(subset)] = own**share * found[REST] ** (1 - share)
    return found


def _tells_nothing(logits: Logits, features: Features, rows: NDArray[np.int64]) -> bool:
    """Whether answers ``(k, classes)`` are hardly better than all classes being as likely."""
    if not len(rows):
        return False
    blank = losses_of(np.zeros_like(logits), features, rows)
    return bool((blank - losses_of(logits, features, rows)).mean() < _TELLING)


def calibrated(
    trial: Trial, mix: Mix, features: Features, temperatures: dict[str, float]
) -> NDArray[np.float64]:
    """Held-out probabilities ``(k, classes)`` of the records of a trial, from all they have."""
    keys = patterns(features.present[trial.rows], features.names)
    scale = np.array([[temperature(temperatures, key)] for key in keys])
    return features.target.probabilities(trial.logits(mix, features.names) / scale)


def thresholds(target: Target, probabilities: NDArray[np.float64], labels: NDArray[Any]) -> Any:  # noqa: ANN401
    """The target's thresholds by class name; None where they decide nothing."""
    found = target.fit_thresholds(probabilities, labels)
    return None if found is None else dict(zip(target.classes, found, strict=True))


def losses_of(logits: Logits, features: Features, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Negative log-likelihood ``(k,)`` of each record."""
    activation = features.target.activation
    assert activation is not None
    found = activated(logits.astype(np.float64), soft(features, rows), activation)[1]
    return -found.astype(np.float64)
