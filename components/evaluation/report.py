"""The report of a run: one self-contained HTML file, with the pictures inside."""

from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from components.core.files import read_json, write_atomically
from components.evaluation import charts
from components.evaluation.agreement import agreements
from components.evaluation.coverage import Coverage
from components.evaluation.galleries import galleries
from components.evaluation.held_out import HeldOut
from components.evaluation.inputs import inputs
from components.evaluation.metrics import FIGURES, Metrics, figure_names
from components.evaluation.mistakes import mistakes
from components.evaluation.previews import NONE, Previews
from components.evaluation.pseudo_samples import samples
from components.evaluation.robustness import worst_subset
from components.evaluation.side_by_side import model_rows
from components.model.calibration import reliability
from components.model.outputs import Inference
from components.model.subsets import ignored, left_out, subset_key

_MINUS = "\u2212"


def write_report(
    path: Path,
    *,
    metrics: Metrics,
    held_out: HeldOut,
    probabilities: NDArray[np.float32],
    test: NDArray[np.int64],
    vectors: Inference,
    curve: Coverage | None,
    pseudo: Path,
    accepted: Path,
) -> None:
    """Write the report.

    Args:
        path: the HTML file.
        metrics: all figures.
        held_out: validation and test records.
        probabilities: ``(held out, classes)`` of the chosen model, calibrated.
        test: ``(t,)`` positions of the test records among the held-out ones.
        vectors: the chosen model's outputs for the test records.
        curve: accuracy by share of answered records, where there is one.
        pseudo: output of pseudo-label.
        accepted: output of validate.
    """
    features, rows = held_out.features, held_out.scored
    previews = Previews(features=features)
    labels = held_out.labels[rows]
    subsets = {key: value.figure(metrics.primary) for key, value in metrics.by_subset.items()}
    cells = features.target.cells(probabilities[rows], labels)
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            m=metrics,
            figure_names=FIGURES,
            figures=figure_names(metrics),
            names=features.names,
            kinds={name: spec.kind for name, spec in features.specs.items()},
            inputs=inputs(features, previews, metrics.selection.get("left_out", ())),
            classes=len(features.classes),
            full=subset_key(features.names),
            models=model_rows(metrics),
            intervals=_intervals(metrics),
            ignored=ignored(subsets, features.names),
            worst=worst_subset(subsets, features.names),
            left_out=left_out(features.names),
            agreements=agreements(features),
            galleries=galleries(held_out, test, vectors, previews),
            reliability=charts.reliability_diagram(reliability(*cells), metrics.ece),
            coverage=_coverage(metrics, curve),
            pseudo=samples(pseudo, features, previews),
            classes_by_figure=sorted(
                (metrics.by_class or {}).items(),
                key=lambda item: (item[1].average_precision or 0.0, item[0]),
            ),
            summary=read_json(accepted / "summary.json"),
            **mistakes(features, labels, probabilities[rows]),
        )
    )
    write_atomically(path, html)


def _intervals(metrics: Metrics) -> Markup | None:
    """The gains with their intervals; None without gains."""
    gains = metrics.intervals
    found = {
        f"chosen {_MINUS} best single": gains.fused_minus_best_single,
        "the same, complete records": gains.fused_minus_best_single_complete,
        f"chosen {_MINUS} plain concat": gains.fused_minus_concat,
        f"chosen {_MINUS} committee": gains.chosen_minus_committee,
    }
    if len(metrics.students) > 1:
        found[f"student: with {_MINUS} without"] = gains.student_minus_supervised_only
    shown = [(name, interval) for name, interval in found.items() if interval is not None]
    return charts.interval_plot(shown) if shown else None


def _coverage(metrics: Metrics, found: Coverage | None) -> Markup | None:
    if found is None or metrics.coverage is None:
        return None
    return charts.coverage_curve(found, metrics.coverage)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("components.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda v: NONE if v is None else f"{v:.1%}"
    environment.filters["figure"] = lambda v: NONE if v is None else f"{v:.3f}"
    environment.filters["count"] = lambda v: f"{v:,}"
    return environment
