"""The report of a run: one self-contained HTML file, with the pictures inside."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import NDArray

from components.core.files import read_json, write_atomically
from components.evaluation import charts
from components.evaluation.answers import HeldOut
from components.evaluation.classification import confusion, wilson
from components.evaluation.metrics import FIGURES, Classification, Metrics, figure_names
from components.features.store import Features
from components.model.calibration import reliability
from components.model.inference import Inference
from components.model.subsets import ignored, left_out, subset_key
from components.parts import loading as parts

_QUERIES, _RESULTS, _SAMPLES, _CONFUSIONS = 4, 6, 12, 10
_NONE, _MINUS = "\u2013", "\u2212"  # en dash and minus sign, as printed


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One record in a gallery: its picture, text or fields, with a caption."""

    body: Markup
    caption: str
    note: str = ""
    hit: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What a few queries found."""

    source: str
    target: str
    rows: list[tuple[Tile, list[Tile]]]


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


@dataclass(kw_only=True)
class Previews:
    """Small forms of records, as markup.

    Attributes:
        features: the encoded data set.
        words: longest text shown.
    """

    features: Features
    words: int = 90
    _table: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._table = self.features.previews()

    def show(self, row: int, modality: str) -> Markup:
        """The medium, text or fields of a record; a dash where it has none."""
        value = self._table[modality][row].as_py()
        if value is None:
            return Markup('<span class="none">{}</span>').format(_NONE)
        spec = self.features.specs[modality]
        if isinstance(value, bytes):
            kind = parts.load("kinds", spec.kind, spec.base)
            name = f"{modality} of record {self.features.ids[row]}"
            return medium(value, kind.preview_type(value), name)
        if spec.raw == "fields":
            return _fields(value, self.words)
        return Markup('<span class="words">{}</span>').format(_cut(value, self.words))

    def best(self, row: int, order: Sequence[str]) -> Markup:
        """The first modality of ``order`` that the record has."""
        has = [m for m in order if self.features.present[row, self.features.names.index(m)]]
        return self.show(row, has[0]) if has else self.show(row, order[0])


def write_report(
    path: Path,
    *,
    metrics: Metrics,
    held_out: HeldOut,
    probabilities: NDArray[np.float32],
    test: NDArray[np.int64],
    vectors: Inference,
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
        pseudo: output of pseudo-label.
        accepted: output of validate.
    """
    features, rows = held_out.features, held_out.scored
    previews = Previews(features=features)
    labels = held_out.labels[rows]
    gains = metrics.intervals
    intervals = {
        f"chosen {_MINUS} best single": gains.fused_minus_best_single,
        "the same, complete records": gains.fused_minus_best_single_complete,
        f"chosen {_MINUS} plain concat": gains.fused_minus_concat,
        f"chosen {_MINUS} committee": gains.chosen_minus_committee,
        f"student: with {_MINUS} without": gains.student_minus_supervised_only,
    }
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
            classes=len(features.classes),
            full=subset_key(features.names),
            models=model_rows(metrics),
            intervals=charts.interval_plot(
                [(name, i) for name, i in intervals.items() if i is not None]
            ),
            any_interval=any(intervals.values()),
            ignored=ignored(subsets, features.names),
            left_out=left_out(features.names),
            galleries=_galleries(held_out, test, vectors, previews),
            reliability=charts.reliability_diagram(reliability(*cells), metrics.ece),
            pseudo=_pseudo(pseudo, features, previews),
            classes_by_figure=sorted(
                (metrics.by_class or {}).items(),
                key=lambda item: (item[1].average_precision or 0.0, item[0]),
            ),
            summary=read_json(accepted / "summary.json"),
            **_mistakes(features, labels, probabilities[rows]),
        )
    )
    write_atomically(path, html)


def _mistakes(
    features: Features, labels: NDArray[Any], probabilities: NDArray[np.float32]
) -> dict[str, Any]:
    """What classes are mixed up; nothing where a record has a set of classes or none."""
    if labels.ndim > 1:
        return {"confusion": None, "confusions": [], "per_class": []}
    counts = confusion(labels, features.target.decide(probabilities), len(features.classes))
    occurring = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    shown = charts.largest_classes(
        counts[np.ix_(occurring, occurring)], [features.classes[i] for i in occurring]
    )
    return {
        "confusion": charts.confusion_heat_map(*shown),
        "confusions": _confusions(counts, features.classes),
        "per_class": _per_class(counts, features.classes),
    }


def medium(data: bytes, media_type: str, name: str) -> Markup:
    """An inline picture, or a player of a sound; a word for what a browser shows as neither."""
    address = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    match media_type.partition("/")[0]:
        case "image":
            return Markup('<img alt="{}" src="{}">').format(name, address)
        case "audio":
            return Markup('<audio controls aria-label="{}" src="{}"></audio>').format(name, address)
    return Markup('<span class="none">medium</span>')


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
        _row(metrics, metrics.student, "Student", "with pseudo-labels"),
        _row(metrics, metrics.supervised_only, "Student", "without pseudo-labels"),
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


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("components.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda v: _NONE if v is None else f"{v:.1%}"
    environment.filters["figure"] = lambda v: _NONE if v is None else f"{v:.3f}"
    environment.filters["count"] = lambda v: f"{v:,}"
    return environment


def _galleries(
    held_out: HeldOut, test: NDArray[np.int64], vectors: Inference, previews: Previews
) -> list[Gallery]:
    """Search of test records among test records: between text and media, and among media."""
    features = held_out.features
    of_type = {
        raw: [n for n in features.names if features.specs[n].raw == raw]
        for raw in ("text", "bytes", "fields")
    }
    firsts = [names[0] for names in of_type.values() if names][:2]
    pairs = [(a, b) for a in firsts for b in firsts if a != b]
    last = (of_type["bytes"] or firsts)[0]
    return [_gallery(held_out, test, vectors, previews, a, b) for a, b in [*pairs, (last, last)]]


def _gallery(
    held_out: HeldOut,
    test: NDArray[np.int64],
    vectors: Inference,
    previews: Previews,
    source: str,
    target: str,
) -> Gallery:
    features = held_out.features
    has = {name: held_out.present[test, features.names.index(name)] for name in (source, target)}
    both, gallery = np.flatnonzero(has[source] & has[target]), np.flatnonzero(has[target])
    queries = (
        both[np.linspace(0, len(both) - 1, min(_QUERIES, len(both))).astype(int)]
        if len(both)
        else both
    )
    rows = []
    for query in queries:
        scores = vectors.embeddings[target][gallery] @ vectors.embeddings[source][query]
        if source == target:
            scores[gallery == query] = -np.inf
        best = np.argsort(-scores, kind="stable")[:_RESULTS]
        record = held_out.rows[test[query]]
        found = [
            _tile(
                features,
                previews,
                held_out.rows[test[gallery[i]]],
                target,
                record,
                float(scores[i]),
            )
            for i in best
            if np.isfinite(scores[i])
        ]
        rows.append((_tile(features, previews, record, source), found))
    return Gallery(source=source, target=target, rows=rows)


def _tile(
    features: Features,
    previews: Previews,
    row: int,
    modality: str,
    query: int | None = None,
    score: float | None = None,
) -> Tile:
    caption = told(features.target.decode(features.labels[[row]])[0]) or "no label"
    hit = None if query is None else features.groups[row] == features.groups[query]
    note = features.ids[row] if score is None else f"{score:.2f}"
    return Tile(
        body=previews.show(row, modality), caption=_cut(caption, 40), note=_cut(note, 40), hit=hit
    )


def _pseudo(pseudo: Path, features: Features, previews: Previews) -> dict[str, Any]:
    """Counts and samples of accepted and refused pseudo-labels, spread evenly, not chosen."""
    table = pq.read_table(pseudo / "pseudo.parquet")
    row_of = {record: row for row, record in enumerate(features.ids)}
    order = sorted(
        features.names, key=lambda n: ("bytes", "text", "fields").index(features.specs[n].raw)
    )
    accepted = np.array(table["accepted"].to_pylist(), dtype=bool)
    result: dict[str, Any] = {}
    for name, keep in (("accepted", accepted), ("refused", ~accepted)):
        at = np.flatnonzero(keep)
        sample = (
            at[np.linspace(0, len(at) - 1, min(_SAMPLES, len(at))).astype(int)] if len(at) else at
        )
        tiles, taken = [], table.take(sample)
        coded = np.array(taken["label"].to_pylist(), dtype=np.int64)
        names = features.target.decode(coded.reshape(len(taken), *features.labels.shape[1:]))
        for record, label in zip(taken.to_pylist(), names, strict=True):
            body = previews.best(row_of[record["id"]], order)
            detail = (
                ", ".join(record["sources"] or []) if name == "accepted" else record["reason"] or ""
            )
            confidence = "" if record["confidence"] is None else f"{record['confidence']:.2f} "
            tiles.append(
                Tile(
                    body=body,
                    caption=_cut(told(label) or _NONE, 40),
                    note=_cut(confidence + detail, 70),
                )
            )
        result[name] = {"count": len(at), "tiles": tiles}
    return result


def _confusions(
    counts: NDArray[np.int64], classes: Sequence[str]
) -> list[tuple[str, str, int, int]]:
    """The most frequent wrong answers: true class, answer, how often, out of how many."""
    wrong = counts - np.diag(np.diag(counts))
    cells = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(cell), len(classes)) for cell in cells]
    return [
        (classes[t], classes[p], int(wrong[t, p]), int(counts[t].sum()))
        for t, p in pairs
        if wrong[t, p]
    ]


def _per_class(
    counts: NDArray[np.int64], classes: Sequence[str]
) -> list[tuple[str, int, float, float, float]]:
    """Class, test records, precision, recall and F1, the worst first."""
    support, predicted_count, hits = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    rows = []
    for i in map(int, np.flatnonzero(support)):
        precision = float(hits[i] / predicted_count[i]) if predicted_count[i] else 0.0
        rows.append(
            (
                classes[i],
                int(support[i]),
                precision,
                float(hits[i] / support[i]),
                float(2 * hits[i] / (support[i] + predicted_count[i])),
            )
        )
    return sorted(rows, key=lambda r: (r[4], r[0]))


def _fields(value: str, most: int) -> Markup:
    try:
        found = json.loads(value)
    except ValueError:
        found = value
    if not isinstance(found, dict):
        return Markup('<span class="words">{}</span>').format(_cut(str(found), most))
    filled = {
        k: ", ".join(map(str, v)) if isinstance(v, list) else v
        for k, v in found.items()
        if v not in (None, "", [])
    }
    lines = [
        Markup("<b>{}</b> {}").format(_cut(str(k), 20), _cut(str(v), 24))
        for k, v in list(filled.items())[:5]
    ]
    return Markup('<span class="words">{}</span>').format(
        Markup("<br>").join(lines) if lines else escape(_NONE)
    )


def told(label: str | list[str] | None) -> str:
    """A label for people: its class or classes; empty without one.

    >>> told(["love", "war"]), told([]), told(None)
    ('love, war', 'none of the classes', '')
    """
    if isinstance(label, list):
        return ", ".join(label) or "none of the classes"
    return label or ""


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
