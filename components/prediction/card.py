"""The model card: what a model is, its data, how good it is, and where it must not be trusted."""

from pathlib import Path

import numpy as np

from components.core.files import write_atomically
from components.evaluation.metrics import FIGURES, Classification, Metrics, figure_names
from components.features.store import Features
from components.model.network import Model
from components.model.runtime import Chosen
from components.model.subsets import left_out

_LIMITS = {
    "max_bytes": "bytes at most",
    "max_pixels": "pixels at most",
    "max_characters": "characters at most",
    "max_tokens": "word pieces read, the rest is ignored",
}

_WORDS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "micro_f1": "micro-F1"}


def write_card(
    path: Path, *, name: str, model: Model, features: Features, metrics: Path, runtime: Chosen
) -> None:
    """Write the card as Markdown.

    Args:
        path: the file.
        name: registered name of the model.
        model: the chosen model.
        features: the data it was made of.
        metrics: ``metrics.json``.
        runtime: what computes the packaged model.
    """
    found = Metrics.model_validate_json(metrics.read_bytes())
    sections = [
        f"# {_plain(name)}",
        _what(model, runtime),
        _data(features, found),
        _numbers(found),
        _search(found),
        _limits(model, found),
    ]
    write_atomically(path, "\n\n".join(filter(None, sections)) + "\n")


def _what(model: Model, runtime: Chosen) -> str:
    kinds = ", ".join(f"{_plain(n)} ({model.specs[n].kind})" for n in model.names)
    weights = sum(p.numel() for p in model.parameters())
    count = len(model.classes)
    does = {
        "multi": f"A classifier that gives a set of {count} classes and a search engine",
        "none": "A search engine without a classifier",
    }.get(model.target_kind, f"A classifier of {count} classes and a search engine")
    return (
        f"{does} over {kinds}."
        " A record needs at least one of these modalities."
        f" Fusion `{_plain(model.config.fusion.name)}`, shared space of {model.dim} numbers,"
        f" {weights:,} trained weights. {_computed(runtime)}"
    )


def _computed(runtime: Chosen) -> str:
    if not runtime.reason:
        return "Answers are computed by onnxruntime, without torch."
    by = "onnxruntime" if runtime.name == "onnx" else "torch"
    return f"Answers are computed by {by}: {_plain(runtime.reason)}."


def _data(features: Features, found: Metrics) -> str:
    count = {split: int(np.sum(features.splits == split)) for split in ("train", "val", "test")}
    has = ", ".join(
        f"{_plain(n)} {features.present[:, i].mean():.0%}" for i, n in enumerate(features.names)
    )
    budget, pseudo = found.label_budget, found.pseudo.get("accepted")
    labels = (
        f"Label budget: **{budget.total:,}** ({budget.train:,} to fit, {budget.val:,} to select on)"
    )
    given = f"; {pseudo:,} pseudo-labels were accepted" if isinstance(pseudo, int) else ""
    kept = f" Answers come from: {found.answering}." if "kept" in found.selection else ""
    return (
        "## Data and labels\n\n"
        f"{len(features.ids):,} records: {count['train']:,} to train,"
        f" {count['val']:,} to validate, {count['test']:,} to test."
        f" Modalities present: {has}.\n\n{labels}{given}.{kept}"
    )


def _numbers(found: Metrics) -> str:
    figures = figure_names(found)
    if not figures:
        return ""
    majority = Classification.model_validate(found.majority.model_dump())
    rows: list[tuple[str, Classification]] = [
        ("This model", found),
        *([("Committee on labels alone", found.committee)] if found.committee else []),
        ("Network without pseudo-labels", found.supervised_only),
        *((f"Only {_plain(n)}", s) for n, s in sorted(found.singles.items())),
        ("Majority class" if found.primary == "accuracy" else "Shares of the classes", majority),
    ]
    names = " | ".join(_WORDS.get(f, FIGURES[f]) for f in figures)
    lines = [f"| {n} | {_percents(of, figures)} |" for n, of in rows]
    partial = f" {told}" if (told := left_out(_modalities(found))) else ""
    subsets = [
        f"| {_plain(key)} | {_percents(s, figures)} | {_figure(s.ece)} | {s.n:,} |"
        for key, s in found.by_subset.items()
    ]
    return "\n".join(
        [
            f"## Results on {found.n:,} labelled test records",
            "",
            f"| | {names} |",
            "|---" * (1 + len(figures)) + "|",
            *lines,
            "",
            f"Expected calibration error {_figure(found.ece)}."
            f" By the modalities of a record:{partial}",
            "",
            f"| modalities | {names} | calibration error | records |",
            "|---" * (3 + len(figures)) + "|",
            *subsets,
            *_classes(found),
        ]
    )


def _percents(of: Classification, figures: list[str]) -> str:
    return " | ".join(_percent(of.figure(name)) for name in figures)


def _classes(found: Metrics) -> list[str]:
    """The figures of each class, where a record has a set of them."""
    if not found.by_class:
        return []
    rows = [
        f"| {_plain(name)} | {_percent(c.average_precision)} | {_figure(c.threshold)}"
        f" | {_percent(c.f1)} | {c.n:,} |"
        for name, c in found.by_class.items()
    ]
    head = ["| class | average precision | threshold | F1 | records |", "|---|---|---|---|---|"]
    return ["", "A class is given if its probability reaches its threshold.", "", *head, *rows]


def _search(found: Metrics) -> str:
    if not found.retrieval:
        return ""
    directions = {
        _plain(pair.replace("->", " to ")): figures for pair, figures in found.retrieval.items()
    }
    rows = [
        f"| {name} | {_percent(r.recall_1)} | {_percent(r.recall_10)}"
        f" | {_figure(r.mrr)} | {r.n:,} | {'' if r.gallery is None else f'{r.gallery:,}'} |"
        for name, r in directions.items()
    ]
    head = [
        "| search | recall@1 | recall@10 | mean reciprocal rank | queries | searched |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join(["## Search among test records", "", *head, *rows, *_composer(found)])


def _composer(found: Metrics) -> list[str]:
    """How a picture and words are made one query."""
    one = found.composer
    if one is None or one.composer is None:
        return []
    uses = "the learned composer" if one.kept else "the plain sum"
    both = f"{_plain(one.reference)} and {_plain(one.text)}"
    return [
        "",
        f"A query of {both} is joined by {uses}: recall@10 of the composer"
        f" {_percent(one.composer)}, of the sum {_percent(one.sum)}, on {one.judged:,} held-out"
        " triplets.",
    ]


def _modalities(found: Metrics) -> list[str]:
    return sorted({name for key in found.by_subset for name in key.split("+")})


def _limits(model: Model, found: Metrics) -> str:
    lines = []
    for name in model.names:
        options = model.specs[name].options
        limits = ", ".join(
            f"{options[key]:,} {words}"
            for key, words in _LIMITS.items()
            if isinstance(options.get(key), int)
        )
        if limits:
            lines.append(f"- {_plain(name)}: {limits}.")
    known = {key: s.figure(found.primary) for key, s in found.by_subset.items()}
    figures = {key: value for key, value in known.items() if value is not None}
    if figures:
        weakest = min(figures, key=lambda key: figures[key])
        name = FIGURES.get(str(found.primary), str(found.primary))
        right = "right" if found.primary == "accuracy" else name
        lines.append(
            f"- Weakest if a record has only {_plain(weakest)}:"
            f" {_percent(figures[weakest])} {right}."
        )
    if found.primary == "accuracy":
        lines.append(
            "- It always answers with one of its classes;"
            " a record of another class is not recognised as such."
        )
    lines.append(
        "- The figures hold for records like those of the test split;"
        " other sources, times or groups were not measured."
    )
    return "\n".join(["## Limits", "", *lines])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(words: str) -> str:
    """Escape a name from the data for a line or a table cell of Markdown."""
    line = " ".join(words.split())
    return "".join(f"\\{c}" if c in "|`*_[]<>\\" else c for c in line)
