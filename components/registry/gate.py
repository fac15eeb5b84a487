"""The written decision between champion and challenger: pure, on the same rows, with an interval.

Definitions. ``d(x)`` is the challenger's ``metric`` minus that of ``x`` on the same held-out rows,
and ``[low, high]`` its paired bootstrap interval at ``1 - alpha``.

With a champion:

- ``promote``: ``low > margin``. The challenger is shown to be better by more than the margin.
- ``keep``: ``high <= margin``. The challenger is shown not to be better by more than the margin.
- ``inconclusive``: anything between. The champion stays; more rows may decide.

Without one, the question is whether the version may be served at all:

- It must beat the majority class of the visible training labels, or where a record has a set of
  classes their shares, or where nothing is predicted a search by chance: ``low > 0``
  (``high <= 0``: ``keep``; else ``inconclusive``).
- With several modalities it must not be below the best single one: ``d >= 0``. This is a point
  estimate, not a confidence limit: no user loses anything, and where the modalities carry the same
  information, requiring a proven gain would leave users without a model. ``high < 0`` is ``keep``;
  ``d < 0 <= high`` is ``inconclusive``.

A bootstrap of few rows is overconfident. So ``promote`` needs enough rows on which exactly one of
the two is right for the exact McNemar test to be able to reject at all:
``2 * 0.5 ** rows <= alpha`` (6 rows at .05). Of probabilities and searches those rows count on
which one of the two is the better, and the test is the sign test, as McNemar's is of right and
wrong.

The metric is the target's own where the configuration names none: accuracy for one class, mean
average precision for sets of classes, and where nothing is predicted recall@10, the mean over all
directions of search.

Source: paired bootstrap, Efron and Tibshirani 1993, chapter 13; McNemar 1947.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.config.run import GateConfig
from components.core.errors import UserError
from components.core.refs import digest_json

if TYPE_CHECKING:
    from components.evaluation.comparison import Metric

Verdict = Literal["promote", "keep", "inconclusive"]
Answers = NDArray[Any]
"""Class names ``(n,)``, or what else the metric compares (``evaluation.comparison.Answers``)."""
_CHAMPION, _SINGLE = "champion", "best single modality"
_BASELINES: dict[str, str] = {"macro_map": "class shares", "recall@10": "search by chance"}
"""What a first version must beat, by metric; else the majority class."""
DEFAULT_METRIC: "Metric" = "recall@10"
"""Of a target that has no primary figure."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """True labels and predictions ``(n,)`` on the held-out rows of one split, in one order."""

    labels: Answers
    challenger: Answers
    champion: Answers | None = None
    """``None`` where there is no champion."""
    majority: Answers | None = None
    """The most frequent visible training label, repeated; needed without a champion."""
    best_single: Answers | None = None
    """Needed without a champion, where there are several modalities."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A verdict, its reasons, and all that it rests on."""

    verdict: Verdict
    reasons: list[str] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    evidence_digest: str


def terms(config: GateConfig, primary: str | None) -> GateConfig:
    """The gate's configuration with its metric: as given, else the target's primary figure.

    Raises:
        UserError: the metric that is given is of another target.
    """
    fitting = {"accuracy": ("accuracy", "macro_f1"), "macro_map": ("macro_map",)}
    own = primary or DEFAULT_METRIC
    allowed = fitting.get(own, (own,))
    if config.metric is not None and config.metric not in allowed:
        raise UserError(
            f"gate.metric: got {config.metric}, wanted one that the data set's target has: "
            f"{', '.join(allowed)}; or leave it out"
        )
    return config.model_copy(update={"metric": config.metric or own})


def evidence_digest(*, challenger: str, champion: str | None, rows: str, config: GateConfig) -> str:
    """The digest of what determines a decision, known before anything is computed.

    Args:
        challenger: package digest.
        champion: package digest, ``None`` where there is none.
        rows: digest of the evaluation that the rows come from.
        config: split, metric, alpha, margin, resamples, seed.
    """
    return digest_json(["gate 1", challenger, champion, rows, config.model_dump(mode="json")])


def decide(
    rows: Rows,
    *,
    challenger: str,
    champion: str | None,
    rows_digest: str,
    config: GateConfig,
    looks: int = 0,
) -> Decision:
    """Decide between champion and challenger.

    Args:
        rows: labels and predictions ``(n,)`` on the rows of ``config.split``.
        challenger: package digest of the challenger.
        champion: package digest of the champion, ``None`` where there is none.
        rows_digest: digest of the evaluation that the rows come from.
        config: the rule's numbers.
        looks: number of earlier decisions for this model on held-out rows (interim looks): each
            raises the chance of a false promotion. Stored with the evidence; changes no verdict.

    Raises:
        UserError: there are no rows to compare on.
    """
    digest = evidence_digest(
        challenger=challenger, champion=champion, rows=rows_digest, config=config
    )
    evidence: dict[str, Any] = {
        "challenger": challenger,
        "champion": champion,
        "rows_digest": rows_digest,
        "n": len(rows.labels),
        "gate": config.model_dump(mode="json"),
        "looks_before": looks,
        "comparisons": {},
    }
    if challenger == champion:
        reason = "the challenger is the champion: the same package, nothing to decide"
        return Decision(verdict="keep", reasons=[reason], evidence=evidence, evidence_digest=digest)
    if not len(rows.labels):
        raise UserError(
            f"the gate has no rows: split {config.split!r} has no labelled record that both models "
            "can answer; set `gate.split` to a split with labels, or add labels to the data set"
        )
    verdicts = [
        _judge(opponent, predictions, rows, config, evidence["comparisons"])
        for opponent, predictions in _opponents(rows, champion, str(config.metric))
    ]
    order: tuple[Verdict, ...] = ("keep", "inconclusive", "promote")
    verdict = min((v for v, _ in verdicts), key=order.index)
    reasons = [reason for _, reason in verdicts]
    return Decision(verdict=verdict, reasons=reasons, evidence=evidence, evidence_digest=digest)


def _opponents(rows: Rows, champion: str | None, metric: str) -> list[tuple[str, Answers]]:
    if champion is not None:
        assert rows.champion is not None, "there is a champion: its predictions are needed"
        return [(_CHAMPION, rows.champion)]
    assert rows.majority is not None, "there is no champion: the majority class is needed"
    singles = [] if rows.best_single is None else [(_SINGLE, rows.best_single)]
    return [(_BASELINES.get(metric, "majority class"), rows.majority), *singles]


def _judge(
    opponent: str,
    predictions: Answers,
    rows: Rows,
    config: GateConfig,
    comparisons: dict[str, Any],
) -> tuple[Verdict, str]:
    """Compare with one opponent's predictions ``(n,)``, and note the figures in ``comparisons``."""
    from components.evaluation.comparison import figure, mcnemar, nearer, paired_bootstrap

    assert config.metric is not None, "see `terms`"
    interval = paired_bootstrap(
        rows.labels,
        rows.challenger,
        predictions,
        metric=config.metric,
        resamples=config.resamples,
        alpha=config.alpha,
        seed=config.seed,
    )
    better = nearer(rows.labels, rows.challenger, predictions, config.metric)
    differing = int(np.sum(better != 0))
    measured = "accuracy" if config.metric == "macro_f1" else config.metric
    comparisons[opponent] = {
        "difference": interval.difference,
        "low": interval.low,
        "high": interval.high,
        f"challenger_{measured}": figure(rows.labels, rows.challenger, measured),
        measured: figure(rows.labels, predictions, measured),
        "rows_where_one_is_right": differing,
        "mcnemar_p": mcnemar(better > 0, better < 0),
    }
    if opponent == _SINGLE:
        verdict, finding = _not_below(interval.difference, interval.high)
        wanted = "not below it"
    else:
        margin = config.margin if opponent == _CHAMPION else 0.0
        verdict, finding = _better(interval.low, interval.high, margin, differing, config.alpha)
        wanted = f"above {margin:+.4f}"
    figures = (
        f"{config.metric} {interval.difference:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}] "
        f"on {len(better)} rows"
    )
    return verdict, f"against the {opponent}: {finding} ({figures}; wanted {wanted})"


def _better(
    low: float, high: float, margin: float, differing: int, alpha: float
) -> tuple[Verdict, str]:
    if high <= margin:
        return "keep", "not better"
    if low <= margin:
        return "inconclusive", "the interval includes both better and not better"
    if 2 * 0.5**differing > alpha:
        finding = (
            f"only {differing} rows on which just one of the two is right, too few for any test"
        )
        return "inconclusive", finding
    return "promote", "better"


def _not_below(difference: float, high: float) -> tuple[Verdict, str]:
    if difference >= 0:
        return "promote", "not below"
    if high < 0:
        return "keep", "below"
    return "inconclusive", "below, though the interval includes zero"
