"""A copy of the tiny package with a composer of random weights."""

import json
import shutil

import numpy as np

from components.core.files import write_json
from components.core.refs import digest_file
from components.model.composer import COMPOSER, Composer
from components.prediction.predictor import Predictor
from tests.packaged import packed


def weights(dim, hidden=8):
    rng = np.random.default_rng(0)
    shapes = {
        "hidden.weight": (hidden, 2 * dim), "hidden.bias": (hidden,),
        "out.weight": (dim, hidden), "out.bias": (dim,),
    }  # fmt: skip
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def with_composer(folder, *, listed=True):
    """A copy of the package with a composer of images and texts of random weights."""
    shutil.copytree(packed().package, folder)
    dim = Predictor.load(folder).classifier.embed({"text": "ring"})["text"].shape[0]
    Composer(reference="image", text="text", weights=weights(dim)).save(folder)
    if listed:
        files = json.loads((folder / "files.json").read_text())
        files["files"][COMPOSER] = digest_file(folder / COMPOSER)
        write_json(folder / "files.json", files)
    return folder
