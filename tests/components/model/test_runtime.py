"""The exported model answers as torch does, for every subset of modalities."""

import itertools

import numpy as np
import pytest
import torch

from components.config.run import ModelConfig, Part
from components.features.store import Features
from components.model import export, loading, storage
from components.model.committee import LinearView
from components.model.description import Mix
from components.model.light_rows import light_rows
from components.model.reference import Reference
from components.model.runtime import Chosen
from components.model.torch_runtime import TorchRuntime
from components.parts import loading as parts
from tests import synthetic

NAMES = ("facts", "image", "text")
SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(range(3), n)]
SEATS, DIMS, KEPT = 3, 6, 40


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtime") / "features"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(synthetic.OPTIONS["text"], "encoders", ["hashing", "ngrams"])
        synthetic.write_features(folder, synthetic.records(80))
    return Features.load(folder)


def with_random_committee(model, rng, *, neighbours):
    """Seats, maps and kept records of random numbers; text and fields are compared."""
    head, width = model.committee, model.target.width
    places = {"facts/fields": range(4), "text/ngrams": range(4, DIMS)} if neighbours else {}
    for view, linear in head.views.items():
        dim = len(linear.mean) if isinstance(linear, LinearView) else 50
        if isinstance(linear, LinearView):
            linear.put(*(rng.uniform(0.5, 1, (2, dim)).astype(np.float32)))
        else:
            idf = rng.uniform(1, 3, 2**18).astype(np.float32)
            linear.put(idf, np.sort(rng.choice(2**18, dim, replace=False)))
        if view in places:
            linear.put_place(places[view], DIMS, 0.7)
        elif neighbours:
            linear.put_place(range(0), DIMS, 0.0)
        k = len(places.get(view, range(3)))
        weight = rng.normal(size=(k, SEATS, width)).astype(np.float32)
        weight[:, 1] = 0  # a seat that does not read this view
        if view == "text/hashing":
            weight[:] = 0  # no seat does
        bias = rng.normal(size=(SEATS, width)).astype(np.float32)
        linear.put_maps(rng.normal(size=(dim, k)).astype(np.float32), weight, bias)
    patterns = np.array([[True, False, False], [False, True, True], [True, True, True]])
    head.put(patterns, rng.normal(size=(SEATS, width)).astype(np.float32), rng.normal(size=width))
    if neighbours:
        vectors = rng.normal(size=(KEPT, DIMS)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        told = rng.dirichlet(np.ones(width), size=KEPT).astype(np.float32)
        head.neighbours.put(vectors, told, rng.normal(size=width), 0.6)
    model.mix = Mix(network=0.4, committee=0.6)


def with_reference(model, features):
    rows = np.arange(KEPT)
    model.reference = Reference(
        views=light_rows(model, features.arrays, features.present, rows),
        present=features.present[rows],
        labels=model.target.unlabelled(KEPT),
        logits=np.full((KEPT, model.target.width), np.nan, np.float32),
    )


def made(
    features,
    target="single",
    fusion="concat",
    projector="linear",
    *,
    neighbours=True,
    committee=True,
):
    torch.manual_seed(0)
    config = ModelConfig.model_validate({"dim": 16, "projector": projector, "fusion": fusion})
    classes = [] if target == "none" else synthetic.CLASSES
    model = storage.build(config, classes=classes, specs=features.specs, target=target).eval()
    for own in model.projectors.values() if projector != "linear" else ():
        for tensor in own.state_dict().values():
            torch.nn.init.uniform_(tensor, -1, 1)
    if committee and classes:
        with_random_committee(model, np.random.default_rng(1), neighbours=neighbours)
        with_reference(model, features)
    return model


def packed(model, folder):
    storage.save(model, folder)
    exported = export.write(model, folder)
    assert exported == Chosen(name="onnx")
    return TorchRuntime(model, Chosen(name="torch")), loading.load(folder)


def flat(answered):
    found = answered.inference
    parts = {"logits": found.logits, "fused": found.fused}
    parts |= {f"logits:{n}": x for n, x in found.modality_logits.items()}
    parts |= {f"embedding:{n}": x for n, x in found.embeddings.items()}
    for view, rows in answered.light.items():
        parts[f"light:{view}"] = rows if isinstance(rows, np.ndarray) else rows.toarray()
    return parts


def alike(a, b, atol):
    assert a.keys() == b.keys()
    for name, rows in a.items():
        assert rows.shape == b[name].shape, name
        assert np.allclose(rows, b[name], atol=atol, equal_nan=True), name


CASES = [
    ("single", "concat", "linear", True),
    ("single", "gated", "mlp", True),
    ("single", "gated", "linear", False),
    ("multi", "concat", "maps", True),
    ("multi", "gated", {"name": "maps", "method": "relative"}, True),
    ("none", "concat", "mlp", False),
]


@pytest.mark.parametrize(("target", "fusion", "projector", "neighbours"), CASES)
def test_every_subset_is_answered_as_by_torch_whatever_stands_in_absent_rows(
    features, tmp_path, target, fusion, projector, neighbours
):
    model = made(features, target, fusion, projector, neighbours=neighbours)
    by_torch, by_onnx = packed(model, tmp_path / "model")
    assert (by_torch.chosen.name, by_onnx.chosen.name) == ("torch", "onnx")
    rows = np.flatnonzero(features.present.all(axis=1))[:6]
    arrays = {view: array[rows] for view, array in features.arrays.items()}
    for subset in SUBSETS:
        present = np.zeros((len(rows), 3), np.bool_)
        present[:, subset] = True
        present[0] = True  # subsets side by side in a batch
        spoiled = dict(arrays)
        for view, array in arrays.items():
            if isinstance(array, np.ndarray):
                spoiled[view] = array.copy()
                garbage = np.nan if array.dtype.kind == "f" else 255
                spoiled[view][~present[:, by_onnx.columns[view]]] = garbage
        together = flat(by_onnx.answer(spoiled, present))
        alike(flat(by_torch.answer(arrays, present)), together, 1e-4)
        one = {view: array[1:2] for view, array in spoiled.items()}
        alone = flat(by_onnx.answer(one, present[1:2]))
        alike({n: x[1:2] for n, x in together.items()}, alone, 1e-5)


@pytest.mark.parametrize("fusion", parts.available("fusion"))
def test_any_fusion_is_exported(features, fusion):
    """An export compares answers by itself, with gaps and garbage in them, to within 1e-4."""
    found = export.export(made(features, fusion=fusion, committee=False))
    assert found.why_not == ""
    assert found.graph


def test_classes_columns_and_temperature_are_those_of_torch(features, tmp_path):
    by_torch, by_onnx = packed(made(features), tmp_path / "model")
    for name in ("names", "classes", "views", "sparse", "columns", "specs", "reads_sparse"):
        assert getattr(by_torch, name) == getattr(by_onnx, name)
    logits = np.random.default_rng(0).normal(size=(5, 4))
    assert np.allclose(by_torch.tempered(logits, 1.7), by_onnx.tempered(logits, 1.7), atol=1e-6)


OWN = '''"""My fusion. Source: mine."""
from dataclasses import dataclass
import torch
from torch import nn

@dataclass(frozen=True, kw_only=True)
class Config:
    pass

class Chosen(nn.Module):
    def forward(self, parts, present):
        rows = sum(parts.values())
        return rows if float(rows.sum()) > 1e9 else rows * len(rows)

def build(config, *, names, dim, dropout):
    return Chosen()
'''


def test_a_fusion_that_cannot_be_exported_is_answered_by_torch_which_names_it(features, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    config = ModelConfig(dim=16, fusion=Part(name="./mine.py"))
    model = storage.build(
        config, classes=features.classes, specs=features.specs, base=tmp_path
    ).eval()
    storage.save(model, tmp_path / "model")
    told = export.write(model, tmp_path / "model")
    assert told.name == "torch"
    assert "fusion ./mine.py" in told.reason
    assert loading.load(tmp_path / "model").chosen == told


def test_a_package_from_before_exports_is_answered_by_torch_and_says_so(features, tmp_path):
    storage.save(made(features, committee=False), tmp_path / "model")
    assert "made before exports" in loading.load(tmp_path / "model").chosen.reason
