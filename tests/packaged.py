"""A tiny trained model package, shared by all tests that serve one."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from components.config.run import DataConfig, RunConfig, ServingConfig
from components.core.files import write_json
from components.model import storage
from components.prediction.package import package
from tests import evaluated, synthetic

MAX_BATCH = 5
_FIGURES = {"accuracy": 0.7, "macro_f1": 0.7}
METRICS: dict[str, object] = {
    **_FIGURES,
    "ece": 0.1,
    "n": 40,
    "by_subset": {"image+text": {**_FIGURES, "ece": 0.1, "n": 30}},
    "retrieval": {
        "text->image": {"recall@1": 0.1, "recall@5": 0.3, "recall@10": 0.5, "mrr": 0.2, "n": 30}
    },
    "supervised_only": _FIGURES,
    "student": _FIGURES,
    "best_single": None,
    "singles": {},
    "concat": None,
    "majority": {"accuracy": 0.25},
    "label_budget": {"train": 40, "val": 40, "total": 80},
    "intervals": {"fused_minus_best_single": None, "student_minus_supervised_only": None},
    "selection": {},
    "pseudo": {},
}


@dataclass(frozen=True)
class Packed:
    """The package and the raw records behind it."""

    package: Path
    source: synthetic.Records


@cache
def packed() -> Packed:
    """A package of the synthetic records; at most five records in one request."""
    root = Path(tempfile.mkdtemp(prefix="concord-packed-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    source = synthetic.records(200)
    names = ("facts", "image", "text")
    features = synthetic.write_features(root / "features", source, names)
    storage.save(evaluated.fit(features, names, seed=0, steps=25), root / "train" / "model")
    (root / "evaluation").mkdir()
    write_json(root / "evaluation" / "calibration.json", {"image": 1.5, "facts+image+text": 0.8})
    write_json(root / "evaluation" / "metrics.json", METRICS)
    config = RunConfig(
        name="tiny", data=DataConfig(uri="data"), serving=ServingConfig(max_batch=MAX_BATCH)
    )
    (root / "out").mkdir()
    package(
        features=root / "features",
        train=root / "train",
        evaluation=root / "evaluation",
        config=config,
        out=root / "out",
    )
    return Packed(root / "out" / "package", source)
