"""The card of the glyph set: its content, and the accuracy of simple models on each modality."""

import io
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.config.run import Labels
from components.core.files import write_atomically
from components.data.labels import visible_ids
from components.data.manifest import Manifest, load_manifest
from components.data.reader import Dataset, raws
from components.data.splits import assign
from components.glyphs.recipe import MODALITIES, Recipe

_MARK = "\n## Each modality alone\n"


def describe(
    rows: list[dict[str, Any]], splits: list[str], drawn: dict[str, list[Any]], recipe: Recipe
) -> str:
    """The part of the card that is known when the set is made."""
    labelled = Counter(r["label"] for r in rows if r["label"] is not None)
    present = {
        "image": sum(r["image"] is not None for r in rows),
        "text": sum(r["text"] is not None for r in rows),
        "facts": sum(
            any(r[f] is not None for f in ("category", "bidirectional", "width_class", "advance"))
            for r in rows
        ),
    }
    whole = Counter(splits)
    lines = [
        "# glyphs: pictures, names and facts of Unicode characters",
        "",
        f"{len(rows)} records of {len({r['group'] for r in rows})} characters: "
        + ", ".join(f"{whole[s]} {s}" for s in ("train", "val", "test"))
        + f". {len(labelled)} classes; {len(rows) - labelled.total()} records of families "
        f"with fewer than {recipe.rare} characters stay unlabelled.",
        "",
        "The label is the character's script, or its Unicode block where many scripts share it "
        "(arrows, punctuation, marks).",
        "Neither code points nor decompositions are columns; "
        "`id` names the character and is no feature.",
        "Made from Python's `unicodedata`, fontTools and the DejaVu faces that Matplotlib carries.",
        "",
        "| modality | present | what the recipe does to it |",
        "|---|---|---|",
        f"| image | {present['image'] / len(rows):.3f} "
        f"| moved by up to {recipe.shift} pixels, noise of {recipe.noise} |",
        f"| text | {present['text'] / len(rows):.3f} "
        f"| each telling word struck with chance {recipe.mask_words} |",
        f"| facts | {present['facts'] / len(rows):.3f} "
        f"| each fact unknown with chance {recipe.null_facts} |",
        "",
        "Labels shown in `labelled.parquet`: "
        + ", ".join(
            f"{name} {sum(flags)}" for name, flags in drawn.items() if name.endswith("seed0")
        )
        + " (and the same of other seeds). A class gives at most half of its training records.",
        "",
        f"Recipe: `{asdict(recipe)}`",
        "",
        "| class | records |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in labelled.most_common()),
    ]
    return "\n".join(lines) + "\n"


def write_accuracies(
    folder: Path, column: str = "labelled_25_seed0"
) -> dict[str, dict[str, float]]:
    """Fit logistic regressions on the glyph set and add their accuracies to its ``card.md``.

    There is a row for each modality and one for all of them fused (the product of their class
    probabilities). Columns are accuracies on the test split: of all records (the commonest class
    where a record has none of the inputs), of those that have the input, and of those that have
    all three.

    Returns:
        Input name to its figures.
    """
    scores = accuracies(folder, column)
    lines = [
        _MARK,
        f"Test accuracy of logistic regression fitted on `{column}`: "
        "picture = 120 principal components of gradients, "
        "name = words by TF-IDF, facts = one-hot and scaled; "
        "fused = product of their class probabilities.",
        "",
        "| input | all records | records that have it | records that have all three |",
        "|---|---|---|---|",
        *(
            f"| {name} | {s['all']:.3f} | {s['present']:.3f} | {s['complete']:.3f} |"
            for name, s in scores.items()
        ),
    ]
    card = folder / "card.md"
    head = card.read_text(encoding="utf-8").split(_MARK)[0] if card.exists() else ""
    write_atomically(card, head + "\n".join(lines) + "\n")
    return scores


def accuracies(folder: Path, column: str) -> dict[str, dict[str, float]]:
    """The figures of ``write_accuracies``: input name to ``all``, ``present`` and ``complete``."""
    from sklearn.linear_model import LogisticRegression

    manifest = load_manifest(str(folder))
    dataset = Dataset(str(folder), manifest)
    batch = next(dataset.batches(dataset.rows))
    values = raws(batch, manifest, dataset.media())
    present = {m: np.array([v is not None for v in values[m]]) for m in MODALITIES}
    labels = np.array([v or "" for v in batch.column("label").to_pylist()])
    splits = np.array(assign(batch.column("group").to_pylist(), manifest.split))
    seen = visible_ids(str(folder), Labels(file="labelled.parquet", column=column)) or frozenset()
    visible = np.array([i in seen for i in batch.column("id").to_pylist()])
    train, test = (
        (splits == "train") & visible & (labels != ""),
        (splits == "test") & (labels != ""),
    )
    commonest = Counter(labels[train].tolist()).most_common(1)[0][0]
    complete = np.logical_and.reduce(list(present.values()))
    scores, total = {}, np.zeros((len(labels), len(set(labels[train]))))
    classes = np.array(sorted(set(labels[train])))
    for name, features in _features(values, present, splits == "train", manifest).items():
        rows = train & present[name]
        model = LogisticRegression(C=3.0, max_iter=200, tol=1e-2).fit(features[rows], labels[rows])
        logs = np.full(total.shape, -20.0)  # of classes without a training record here
        logs[:, np.searchsorted(classes, model.classes_)] = model.predict_log_proba(features)
        logs[~present[name]] = 0.0
        total += logs
        scores[name] = _score(
            classes[logs.argmax(1)], labels, present[name], test, complete, commonest
        )
    any_present = np.logical_or.reduce(list(present.values()))
    scores["fused"] = _score(
        classes[total.argmax(1)], labels, any_present, test, complete, commonest
    )
    return scores


def _score(
    predicted: NDArray[Any],
    labels: NDArray[Any],
    present: NDArray[Any],
    test: NDArray[Any],
    complete: NDArray[Any],
    commonest: str,
) -> dict[str, float]:
    right = np.where(present, predicted, commonest) == labels
    return {
        "all": float(right[test].mean()),
        "present": float(right[test & present].mean()),
        "complete": float(right[test & complete].mean()),
    }


def _features(
    values: dict[str, list[Any]],
    present: dict[str, NDArray[Any]],
    train: NDArray[Any],
    manifest: Manifest,
) -> dict[str, Any]:
    """Raw features of the three modalities ``(records, width)``; zero where one is absent."""
    from PIL import Image
    from sklearn.decomposition import PCA
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import MaxAbsScaler

    pixels = np.zeros((len(train), 1024), dtype=np.float32)
    for row, data in enumerate(values["image"]):
        if data is not None:
            pixels[row] = np.asarray(Image.open(io.BytesIO(data)), dtype=np.float32).ravel() / 255
    strokes = _gradients(pixels.reshape(-1, 32, 32))
    components = PCA(120, random_state=0).fit(strokes[train & present["image"]])
    texts = [t or "" for t in values["text"]]
    words = TfidfVectorizer(
        ngram_range=(1, 2),
        min_df=2,
        sublinear_tf=True,
        token_pattern=r"[^\s-]+",  # noqa: S106
    )
    words.fit([t for t, is_train in zip(texts, train, strict=True) if is_train and t])
    columns = manifest.modalities["facts"].columns or {}
    facts = [
        {
            (k if v is not None else f"{k} unknown"): (1.0 if v is None else v)
            for k, v in (f or {}).items()
        }
        for f in values["facts"]
    ]
    assert all(k.removesuffix(" unknown") in columns for f in facts for k in f)
    image = components.transform(strokes)
    return {
        "image": image / np.linalg.norm(image, axis=1)[present["image"]].mean() * 3,
        "text": words.transform(texts) * 3,
        "facts": MaxAbsScaler().fit_transform(DictVectorizer().fit_transform(facts)),
    }


def _gradients(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Histograms of gradient directions ``(n, 512)`` of pictures ``(n, 32, 32)``.

    There are 8 directions in each of 8 by 8 cells. Weak gradients are noise and not counted.

    Source: Dalal and Triggs 2005, without block normalisation.
    """
    down, right = np.gradient(pictures, axis=(1, 2))
    size = np.hypot(down, right)
    size[size < 0.1] = 0
    direction = np.round(np.arctan2(down, right) / (2 * np.pi) * 8).astype(int) % 8
    cells = [
        (size * (direction == d)).reshape(-1, 8, 4, 8, 4).sum((2, 4)).reshape(len(pictures), -1)
        for d in range(8)
    ]
    histograms: NDArray[np.float32] = np.sqrt(np.concatenate(cells, axis=1), dtype=np.float32)
    return histograms
