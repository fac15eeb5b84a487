"""What is inserted in texts, or dilutes them, hurts more than as many of their own words."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.methods._claim import Check, Claim
from benchmarks.methods._real import DATA, encoded
from benchmarks.methods._student import answers, fitted, right
from benchmarks.methods._texts import written
from components.evaluation.perturbations import surroundings
from components.evaluation.stress import texts
from components.features.store import Features
from components.parts import loading as parts

CLAIM = Claim(
    id="E02",
    says="(a) and (b) lower metrics of a concatenating model more than neutral paraphrases of "
    "equal length do; training on perturbed copies at least halves the fall on new ones.",
    bed="dcss-monsters, 25 labels a class, text and facts (the short form writes its own texts); "
    "severity 2 on test records",
    checks=[
        Check(
            what="fall by insertion minus by neutral",
            value=lambda f: f["neutral"] - f["insertion"],
            above=0.0,
        ),
        Check(
            what="fall by dilution minus by neutral",
            value=lambda f: f["neutral"] - f["dilution"],
            above=0.0,
        ),
        Check(
            what="half the fall minus the fall after training on copies",
            value=lambda f: _fall(f, "") / 2 - _fall(f, "trained_"),
            above=0.0,
        ),
    ],
    direction=lambda f: f["dilution"] < f["neutral"],
    note="a report: it adds nothing to a model. Attributes from a monster's facts in its text tell "
    "the class more often than they mislead (accuracy rose in four of five draws), so insertion "
    "does not hurt; falls are so small that half of one is within the noise of 199 test records",
)
_KINDS = ("insertion", "dilution", "neutral")
SLOW = True


def _fall(figures: Any, arm: str) -> float:  # noqa: ANN401
    """Mean share of accuracy that insertion and dilution take."""
    clean = figures[f"{arm}clean"]
    return float(np.mean([1 - figures[f"{arm}{kind}"] / clean for kind in _KINDS[:2]]))


def run(seed: int, *, short: bool) -> dict[str, float]:
    """Accuracy on clean and perturbed test records, of a plain model and one trained on copies."""
    features, records, encode = written(seed) if short else _monsters(seed)
    found = {}
    worse = {k: _perturbed(features, records, encode, k, "test", 2, seed) for k in _KINDS}
    rows = features.rows("test", labelled=True)
    for arm, trained in (
        ("", features),
        ("trained_", _with_copies(features, records, encode, seed)),
    ):
        network = fitted(trained, training={"epochs": 20}, names=["facts", "text"], seed=seed)
        for kind, given in {"clean": features, **worse}.items():
            logits = answers(network, given, rows).logits
            found[f"{arm}{kind}"] = right(given, rows, logits)
    return found


Encode = Callable[[Sequence[str]], np.ndarray]


def _perturbed(
    features: Features,
    records: Sequence[Any],
    encode: Encode,
    kind: str,
    split: str,
    severity: int,
    seed: int,
) -> Features:
    """The same records, those of a split with texts made worse."""
    labelled = features.rows(split, labelled=True)
    given = [records[row] for row in labelled]
    around = surroundings(given, "text")
    rng = np.random.default_rng([seed, len(split), severity])
    changed = texts(given, "text", kind, severity, around, rng)
    has = [at for at, record in enumerate(changed) if record.get("text")]
    arrays = {view: np.array(features.arrays[view]) for view in features.views(["facts", "text"])}
    view = features.specs["text"].dense("text")[0]
    arrays[view][labelled[has]] = encode([changed[at]["text"] for at in has])
    return replace(features, arrays={**features.arrays, **arrays})


def _with_copies(features: Features, records: Sequence[Any], encode: Encode, seed: int) -> Features:
    """The records, and behind them three perturbed copies of each labelled training record."""
    rows = features.rows("train", labelled=True)
    worse = [
        _perturbed(features, records, encode, kind, "train", severity, seed + 100)
        for kind, severity in (("insertion", 2), ("dilution", 1), ("dilution", 3))
    ]
    views = features.views(["facts", "text"])

    def joined(own: np.ndarray, of: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([own, *(part[rows] for part in of)])

    return replace(
        features,
        ids=[*features.ids, *(f"{features.ids[r]}~{n}" for n in range(3) for r in rows)],
        groups=[*features.groups, *(features.groups[r] for _ in range(3) for r in rows)],
        splits=joined(features.splits, [features.splits] * 3),
        labels=joined(features.labels, [features.labels] * 3),
        present=joined(features.present, [features.present] * 3),
        contents=joined(features.contents, [features.contents] * 3),
        arrays={v: joined(features.arrays[v], [w.arrays[v] for w in worse]) for v in views},
    )


def _monsters(seed: int) -> tuple[Features, list[Any], Encode]:
    """Monsters, their texts and attributes, and what encodes a text."""
    features = encoded("dcss-monsters", 25, seed)
    columns = ["id", "text", "size", "shape", "intelligence", "habitat", "shout", "attack_types"]
    table = pq.read_table(DATA / "dcss-monsters" / "records.parquet", columns=columns)
    known = {row.pop("id"): row for row in table.to_pylist()}
    records = [
        {"text": row["text"], "facts": {k: v for k, v in row.items() if v and k != "text"}}
        for row in (known[i] for i in features.ids)
    ]
    module = parts.load("encoders", "minilm")
    kind = parts.load("kinds", "text")
    encoder = module.build(module.Config(), kind=kind.build(kind.Config(), name="text", columns={}))
    return features, records, encoder.encode
