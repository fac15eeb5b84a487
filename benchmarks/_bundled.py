"""Data sets that scikit-learn brings, imported as a user's own table, with nothing configured.

``digits`` are 1,797 pictures of 8 by 8 pixels (10 classes), ``wine`` 178 records of 13 numbers (3),
``breast-cancer`` 569 of 30 (2). A third of the records is for tests, a tenth for validation.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn import datasets
from sklearn.utils import Bunch

from components.core.files import written_aside
from components.data.draws import nested_draws
from components.data.importing.dataset import import_dataset

BUNDLED = {
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
    "breast-cancer": datasets.load_breast_cancer,
}
BUDGETS, SEEDS = (4, 25), range(3)


def make(folder: Path, name: str) -> None:
    """Make a set and its draws of labels, where it is missing.

    Args:
        folder: of the set.
        name: of ``BUNDLED``.
    """
    if folder.exists():
        return
    found = BUNDLED[name]()
    labels = [str(found.target_names[code]) for code in found.target]
    at = np.arange(len(labels))
    split = np.where(at % 3 == 0, "test", np.where(at % 10 == 1, "val", "train"))
    ids = [f"r{row}" for row in at]
    with tempfile.TemporaryDirectory() as made:
        source, out = Path(made) / "records.parquet", Path(made) / name
        columns = _pictures(found, Path(made)) if name == "digits" else _numbers(found)
        table = {"id": ids, "label": labels, "split": split.tolist(), **columns}
        pq.write_table(pa.table(table), source)
        import_dataset(source, out)
        train = np.flatnonzero(split == "train")
        draws = {seed: np.random.default_rng(seed) for seed in SEEDS}
        own = [labels[row] for row in train]
        visible = nested_draws([ids[row] for row in train], own, BUDGETS, draws)
        pq.write_table(pa.table(visible), out / "labelled.parquet")
        with written_aside(folder) as target:
            shutil.copytree(out, target, dirs_exist_ok=True)


def _pictures(found: Bunch, folder: Path) -> dict[str, list[str]]:
    """Pictures written into a folder, and the column of their paths."""
    paths = [f"{row}.png" for row in range(len(found.images))]
    for path, pixels in zip(paths, found.images, strict=True):
        Image.fromarray((pixels * 15).astype(np.uint8)).save(folder / path)
    return {"picture": paths}


def _numbers(found: Bunch) -> dict[str, np.ndarray]:
    """The columns of a table."""
    return dict(zip(map(str, found.feature_names), found.data.T, strict=True))
