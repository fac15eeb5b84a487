"""What a good engineer gets by hand from the views that a run has cached.

For one class a record, a script makes the rows (see ``benchmarks.label_efficiency``). For sets of
classes they are made here, from one-vs-rest logistic regression of scikit-learn: each view alone,
all views side by side, and the views' log-odds weighted by held-out likelihood (``stack``). Every
strength is chosen by held-out log-loss among the visible labels; no other label is read.
scikit-learn has no self-training and no label spreading for sets of classes, so those rows are
missing there.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.features.store import Features

STRENGTHS = (0.3, 3.0, 30.0, 300.0)
WHOLE_UP_TO = 8000
"""With more visible labels the script reads views shortened to their directions of greatest
variance: whole ones would take it hours."""
_FOLDS, _EPS = 3, 1e-6
Floats = NDArray[np.floating]


def rows(bar: Path | None, features: Features, model: Path) -> dict[str, float]:
    """Name of each row to its figure on the test records.

    Args:
        bar: the script; without it only sets of classes have rows.
        features: the run's own.
        model: folder of a model that was fitted to them.
    """
    views = cached(features, model)
    if features.labels.ndim > 1:
        return {name: _figure(features, p) for name, p in of_sets(views).items()}
    if bar is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "views.npz"
        np.savez(path, **views)
        asked = [sys.executable, str(bar), str(path)]
        said = subprocess.run(asked, check=True, capture_output=True, text=True)
    return {name: found["accuracy"] for name, found in json.loads(said.stdout)["rows"].items()}


def cached(features: Features, folder: Path) -> dict[str, NDArray[Any]]:
    """The fixed views of all records, with labels and splits.

    A dense view is as it was cached, a sparse one reduced.
    """
    import torch

    from components.model import storage
    from components.training.light import light_views, ways

    model = storage.load(folder)
    views = light_views(model, features, ways(model, features))
    visible = (features.splits == "train") & features.target.labelled(features.labels)
    found = dict(views.features)
    for view in found if visible.sum() <= WHOLE_UP_TO else []:
        if view in model.encoders:
            inputs = torch.from_numpy(np.array(features.arrays[view]))
            with torch.inference_mode():
                found[view] = model.encoders[view].light(inputs).numpy()  # type: ignore[operator]
    return {
        "labels": features.labels,
        "visible": visible,
        "train": features.splits == "train",
        "test": features.splits == "test",
        **{f"view/{view.replace('/', '-')}": x for view, x in found.items()},
        **{f"present/{view.replace('/', '-')}": x for view, x in views.present.items()},
    }


def of_sets(views: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
    """Probabilities ``(n, classes)`` of each row, from what ``cached`` returns."""
    labels, visible = views["labels"] == 1, views["visible"]
    names = sorted(key[5:] for key in views if key.startswith("view/"))
    present = {name: views[f"present/{name}"] for name in names}
    x = {name: _scaled(views[f"view/{name}"], views["train"] & present[name]) for name in names}
    anything = np.any(list(present.values()), axis=0)
    x["concat"] = np.hstack([x[name] * present[name][:, None] for name in names])
    share = labels[visible].mean(axis=0).clip(_EPS, 1 - _EPS)
    found, held = {}, {}
    for name, rows in x.items():
        has = present.get(name, anything)
        known = np.flatnonzero(visible & has)
        p, out = _head(rows, labels, known)
        found[f"one-vs-rest {name}"] = np.where(has[:, None], p, share)
        held[name] = np.tile(share, (len(labels), 1))
        held[name][known] = out
    offset = _log_odds(share)
    shown = {n: _log_odds(found[f"one-vs-rest {n}"]) - offset for n in names}
    weights = _weights([_log_odds(held[n][visible]) - offset for n in names], labels[visible])
    stacked = offset + sum(w * shown[n] for w, n in zip(weights, names, strict=True))
    return {**found, "one-vs-rest stack": 1 / (1 + np.exp(-stacked))}


def _head(x: Floats, labels: NDArray[np.bool_], known: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Probabilities ``(n, classes)``, and held-out ones of the known rows ``(k, classes)``."""
    # Turning records into their own span changes no penalised fit, and is faster where they are few
    turned = x
    if len(known) < x.shape[1]:
        turned = x @ np.linalg.svd(x[known], full_matrices=False)[2].T
    fold = np.random.default_rng(0).permutation(len(known)) % _FOLDS
    best: tuple[float, float, Floats] | None = None
    for strength in STRENGTHS:
        out = np.empty((len(known), labels.shape[1]))
        for f in range(_FOLDS):
            seen = known[fold != f]
            out[fold == f] = _fitted(turned, labels, seen, known[fold == f], strength)
        truth = labels[known]
        loss = -float(np.log(np.where(truth, out, 1 - out)).mean())
        if best is None or loss < best[0]:
            best = loss, strength, out
    assert best is not None
    return _fitted(turned, labels, known, np.arange(len(x)), best[1]), best[2]


def _fitted(
    x: Floats,
    labels: NDArray[np.bool_],
    seen: NDArray[np.int64],
    asked: NDArray[np.int64],
    strength: float,
) -> Floats:
    """Probabilities ``(asked, classes)``; the share where the seen records do not differ."""
    from sklearn.linear_model import LogisticRegression

    found = np.empty((len(asked), labels.shape[1]))
    for c in range(labels.shape[1]):
        truth = labels[seen, c]
        if truth.all() or not truth.any():
            found[:, c] = truth.mean()
            continue
        model = LogisticRegression(C=strength, max_iter=300).fit(x[seen], truth)
        found[:, c] = model.predict_proba(x[asked])[:, 1]
    return found.clip(_EPS, 1 - _EPS)


def _scaled(x: Floats, rows: NDArray[np.bool_]) -> Floats:
    mean, deviation = x[rows].mean(axis=0), x[rows].std(axis=0)
    z = (x - mean) / np.where(deviation > 0, deviation, 1)
    scaled: Floats = np.clip(z, -5, 5) / np.sqrt(x.shape[1])
    return scaled


def _weights(parts: list[Floats], truth: NDArray[np.bool_]) -> Floats:
    """A weight for each view's log-odds, by the likelihood of the visible labels."""
    from scipy.optimize import minimize

    sign = np.where(truth, -1.0, 1.0)

    def loss(w: Floats) -> float:
        odds = sum(abs(a) * part for a, part in zip(w, parts, strict=True))
        return float(np.logaddexp(0, sign * odds).mean() + 0.002 * np.sum(w**2))

    start = np.full(len(parts), 0.7)
    found: Floats = np.abs(minimize(loss, start, method="Nelder-Mead", options={"maxiter": 600}).x)
    return found


def _log_odds(p: Floats) -> Floats:
    odds: Floats = np.log(p / (1 - p))
    return odds


def _figure(features: Features, p: Floats) -> float:
    target, labels = features.target, features.labels
    at = (features.splits == "test") & target.labelled(labels) & features.present.any(axis=1)
    return round(target.metrics(labels[at], target.answers(p[at]))[str(target.primary)], 4)
