"""The model card: what a model is, its data, how good it is, and where it must not be trusted."""

from pathlib import Path

import numpy as np

from components.core.files import write_atomically
from components.evaluation.metrics import Metrics
from components.features.store import Features
from components.model.network import Model

_LIMITS = {
    "max_bytes": "bytes at most",
    "max_pixels": "pixels at most",
    "max_characters": "characters at most",
    "max_tokens": "word pieces read, the rest is ignored",
}


def write_card(path: Path, *, name: str, model: Model, features: Features, metrics: Path) -> None:
    """Write the card as Markdown.

    Args:
        path: the file.
        name: registered name of the model.
        model: the chosen model.
        features: the data it was made of.
        metrics: ``metrics.json``.
    """
    found = Metrics.model_validate_json(metrics.read_bytes())
    sections = [
        f"# {_plain(name)}",
        _what(model),
        _data(features, found),
        _numbers(found),
        _search(found),
        _limits(model, found),
    ]
    write_atomically(path, "\n\n".join(filter(None, sections)) + "\n")


def _what(model: Model) -> str:
    kinds = ", ".join(f"{_plain(n)} ({model.specs[n].kind})" for n in model.names)
    weights = sum(p.numel() for p in model.parameters())
    return (
        f"A classifier of {len(model.classes)} classes and a search engine over {kinds}."
        " A record may have any of these modalities, at least one."
        f" Fusion `{_plain(model.config.fusion.name)}`, shared space of {model.dim} numbers,"
        f" {weights:,} trained weights."
    )


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
    kept = f" The {found.selection['kept']} was kept." if "kept" in found.selection else ""
    return (
        "## Data and labels\n\n"
        f"{len(features.ids):,} records: {count['train']:,} to train,"
        f" {count['val']:,} to validate, {count['test']:,} to test."
        f" Modalities present: {has}.\n\n{labels}{given}.{kept}"
    )


def _numbers(found: Metrics) -> str:
    rows = [
        ("This model", found.accuracy, found.macro_f1),
        ("Supervised only", found.supervised_only.accuracy, found.supervised_only.macro_f1),
        *((f"Only {_plain(n)}", s.accuracy, s.macro_f1) for n, s in sorted(found.singles.items())),
        ("Majority class", found.majority.accuracy, None),
    ]
    lines = [f"| {n} | {_percent(a)} | {_percent(f)} |" for n, a, f in rows]
    subsets = [
        f"| {_plain(key)} | {_percent(s.accuracy)} | {_percent(s.macro_f1)}"
        f" | {_figure(s.ece)} | {s.n:,} |"
        for key, s in found.by_subset.items()
    ]
    return "\n".join(
        [
            f"## On {found.n:,} labelled test records",
            "",
            "| | accuracy | macro-F1 |",
            "|---|---|---|",
            *lines,
            "",
            f"Expected calibration error {_figure(found.ece)}. By what a record has:",
            "",
            "| modalities | accuracy | macro-F1 | calibration error | records |",
            "|---|---|---|---|---|",
            *subsets,
        ]
    )


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
    return "\n".join(["## Search among test records", "", *head, *rows])


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
    weakest = min(
        found.by_subset.items(),
        key=lambda item: 2.0 if item[1].accuracy is None else item[1].accuracy,
        default=None,
    )
    if weakest and weakest[1].accuracy is not None:
        lines.append(
            f"- Weakest where a record has only {_plain(weakest[0])}:"
            f" {_percent(weakest[1].accuracy)} right."
        )
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
