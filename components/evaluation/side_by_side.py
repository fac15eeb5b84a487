"""The models of a run side by side, as a table of the report."""

from dataclasses import dataclass

from components.evaluation.classification import wilson
from components.evaluation.metrics import Classification, Metrics, figure_names


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model in the comparison: its primary figure, perhaps with an interval, and others."""

    name: str
    primary: float | None
    low: float | None
    high: float | None
    others: list[float | None]
    note: str = ""
    chosen: bool = False


def model_rows(metrics: Metrics) -> list[Row]:
    """The comparison table, the chosen model first; accuracies have their Wilson interval."""
    if metrics.primary is None:
        return []
    rows = [
        _row(metrics, metrics, "Chosen model", metrics.answering, chosen=True),
        *(
            [_row(metrics, metrics.committee, "Committee", "visible labels alone")]
            if metrics.committee
            else []
        ),
        *(_row(metrics, student, "Student", note) for student, note in metrics.students),
    ]
    if metrics.concat:
        rows.append(_row(metrics, metrics.concat, "Plain concat"))
    for name, single in sorted(metrics.singles.items()):
        best = metrics.best_single is not None and metrics.best_single.name == name
        present = getattr(single, f"{metrics.primary}_where_present")
        where = "" if present is None else f"{present:.1%} of the {single.n:,} with it"
        note = "; ".join(filter(None, ["best single on held-out records" if best else "", where]))
        rows.append(_row(metrics, single, f"Only {name}", note))
    majority = Classification.model_validate(metrics.majority.model_dump())
    name = "Majority class" if metrics.primary == "accuracy" else "Shares of the classes"
    return [*rows, _row(metrics, majority, name)]


def _row(
    metrics: Metrics, of: Classification, name: str, note: str = "", *, chosen: bool = False
) -> Row:
    primary, *others = figure_names(metrics) or [str(metrics.primary)]
    value, low, high = of.figure(primary), None, None
    if primary == "accuracy":
        low, high = wilson(round((value or 0.0) * metrics.n), metrics.n)
    return Row(
        name=name, primary=value, low=low, high=high, note=note, chosen=chosen,
        others=[of.figure(other) for other in others],
    )  # fmt: skip
