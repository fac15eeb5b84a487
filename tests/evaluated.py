"""A small evaluated model: features, a teacher, a student, baselines and pseudo-labels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn import functional as F

from components.config.run import EvaluationConfig, ModelConfig
from components.core.files import write_json
from components.evaluation.evaluate import evaluate
from components.features.store import Features
from components.model import storage
from components.model.network import Model
from components.training.optimiser import adamw
from tests import synthetic

ROUNDS = [{"share": 0.5, "loss": [0.9, 0.8], "kept": True, "accepted": 90}]
PRECISION = {"precision": 0.8, "low": 0.6, "high": 0.9, "n": 20}
AUDIT = {
    "accepted": 0.7,
    **PRECISION,
    "shift": 0.1,
    "sources": {"fused": 90},
    "by_class": {"circle": {"accepted": 20, "labels": 9, **PRECISION}},
    "by_subset": {"text": {"accepted": 0.5, "records": 40, **PRECISION}},
}


@dataclass(frozen=True)
class Run:
    """Folders of the steps before and of evaluate, and the raw records."""

    root: Path
    source: synthetic.Records
    features: Features

    def evaluate(self, out: Path) -> Path:
        """Run the evaluate step into a new folder."""
        out.mkdir()
        folders = {
            name: self.root / name
            for name in ("features", "teacher", "train", "baselines", "pseudo", "accepted")
        }
        with one_thread():
            evaluate(**folders, evaluation=EvaluationConfig(resamples=300), out=out)
        return out


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread: more do not speed up small tensors and are slow on shared cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@one_thread()
def fit(features: Features, names: tuple[str, ...], *, seed: int, steps: int = 40) -> Model:
    """A short fit on visible labels and on pairs (contrastive): mostly right, no more."""
    torch.manual_seed(seed)
    model = storage.build(
        ModelConfig(dim=16), classes=features.classes, specs={n: features.specs[n] for n in names}
    )
    rows = features.rows("train", labelled=True)
    columns = [features.names.index(n) for n in model.names]
    rows = rows[features.present[rows][:, columns].any(axis=1)]
    arrays = features.views(model.names)
    inputs = {view: torch.from_numpy(array[rows]) for view, array in arrays.items()}
    for view, values in inputs.items():
        model.encoders[view].fit_statistics(values)
    present, labels = (
        torch.from_numpy(features.present[rows][:, columns]),
        torch.from_numpy(features.labels[rows]),
    )
    optimiser = adamw(model.named_parameters(), lr=1e-2, weight_decay=1e-2)
    for _ in range(steps):
        keep = torch.rand(present.shape) > 0.3
        out = model(
            inputs, present, hidden=~(keep | ~(present & keep).any(1, keepdim=True)) & present
        )
        loss = F.cross_entropy(out.logits, labels)
        for i, name in enumerate(model.names):
            loss = loss + F.cross_entropy(
                out.modality_logits[name][present[:, i]], labels[present[:, i]]
            )
            for j, other in enumerate(model.names[:i]):
                both = present[:, i] & present[:, j]
                scores = 10 * out.embeddings[name][both] @ out.embeddings[other][both].T
                loss = loss + 0.1 * F.cross_entropy(scores, torch.arange(int(both.sum())))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def prepare(
    root: Path,
    *,
    n: int = 400,
    names: tuple[str, ...] = ("facts", "image", "text"),
    concat: bool = True,
) -> Run:
    """Write the folders that evaluate reads."""
    source = synthetic.records(n)
    features = synthetic.write_features(root / "features", source, names)
    storage.save(fit(features, names, seed=0, steps=15), root / "teacher")
    student = fit(features, names, seed=1)
    storage.save(student, root / "train" / "model")
    storage.save(student, root / "train" / "student")
    for name in names:
        storage.save(fit(features, (name,), seed=2, steps=20), root / "baselines" / f"only-{name}")
    if concat:
        storage.save(fit(features, names, seed=3, steps=20), root / "baselines" / "concat")
    selection = {"kept": "student", "by": "folds", "records": 40, "losses": {"student": 0.5}}
    write_json(root / "train" / "selection.json", selection)
    write_json(root / "train" / "calibration.json", {"+".join(names): 1.5})
    held_out = {f"only-{name}": {"held_out": 0.5 + n / 10} for n, name in enumerate(names)}
    write_json(root / "baselines" / "baselines.json", {"models": held_out})
    unlabelled = features.rows("train", labelled=False)
    pseudo = {
        "id": [features.ids[r] for r in unlabelled],
        "label": [r % 4 for r in unlabelled],
        "confidence": pa.array(np.linspace(0.4, 1, len(unlabelled)), pa.float32()),
        "accepted": [bool(r % 3) for r in unlabelled],
        "sources": [["fused"] for _ in unlabelled],
        "reason": [None if r % 3 else "below the threshold" for r in unlabelled],
    }
    (root / "pseudo").mkdir()
    pq.write_table(pa.table(pseudo), root / "pseudo" / "pseudo.parquet")
    write_json(
        root / "pseudo" / "summary.json",
        {"accepted": int(sum(pseudo["accepted"])), "rounds": ROUNDS, "audit": AUDIT},
    )
    split = {s: int((features.splits == s).sum()) for s in ("train", "val", "test")}
    budget = {"train": len(features.rows("train", labelled=True)), "val": split["val"]}
    summary = {
        "records_in": n + 2,
        "accepted": n,
        "quarantined": 2,
        "warnings": ["two pictures are all white"],
        "label_budget": {**budget, "total": sum(budget.values())},
        "split": split,
        "rules": [{"name": "id is unique", "severity": "stop", "failed": 0}],
    }
    (root / "accepted").mkdir()
    write_json(root / "accepted" / "summary.json", summary)
    return Run(root, source, features)
