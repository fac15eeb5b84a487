"""A package is self-contained, lists the digest of every file, and is reproducible."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from components.config.run import DataConfig, GateConfig, RunConfig
from components.core.refs import digest_file, digest_folder
from components.parts import loading as parts
from components.prediction.format import digests
from components.prediction.package import package
from tests.evaluated import prepare

CONFIG = RunConfig(name="shapes", data=DataConfig(uri="/somewhere/private/shapes"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("package")
    run = prepare(root, n=160, names=("image", "text"))
    run.evaluate(root / "evaluation")
    return run


def _package(run, out, config=CONFIG):
    out.mkdir()
    root = run.root
    package(
        features=root / "features",
        train=root / "train",
        evaluation=root / "evaluation",
        config=config,
        out=out,
    )
    return out / "package"


@pytest.fixture(scope="module")
def folder(run):
    return _package(run, run.root / "packed")


def test_every_file_is_listed_with_its_digest(folder):
    listed = json.loads((folder / "files.json").read_text())["files"]
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(listed) == files - {"files.json"}
    assert all(digest_file(folder / name) == digest for name, digest in listed.items())
    assert digests(folder) == listed
    wanted = {
        "weights.safetensors",
        "model.json",
        "config.yaml",
        "calibration.json",
        "metrics.json",
        "card.md",
    }
    assert (
        wanted
        | {f"index/{n}" for n in ("ids.parquet", "present.npy", "previews.parquet", "index.json")}
        <= files
    )


def test_the_same_inputs_give_the_same_bytes_and_promotion_terms_change_nothing(
    run, folder, tmp_path
):
    other = CONFIG.model_copy(
        update={"data": DataConfig(uri="/elsewhere"), "gate": GateConfig(margin=0.5)}
    )
    assert digest_folder(_package(run, tmp_path / "again", other)) == digest_folder(folder)


def test_no_place_of_this_machine_and_nothing_that_runs_code_when_read(run, folder):
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"private" not in data
            assert str(run.root).encode() not in data
            if path.suffix == ".npy":
                np.load(path, allow_pickle=False)
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {
        ".onnx",
        ".safetensors",
        ".json",
        ".yaml",
        ".md",
        ".npy",
        ".parquet",
    }


def test_every_record_is_in_the_index_with_unit_vectors_where_it_has_the_modality(run, folder):
    ids = pq.read_table(folder / "index" / "ids.parquet")
    assert ids["id"].to_pylist() == run.features.ids
    assert ids["label"].to_pylist() == [
        None if c < 0 else run.features.classes[c] for c in run.features.labels
    ]
    present = np.load(folder / "index" / "present.npy")
    assert json.loads((folder / "index" / "index.json").read_text()) == {"name": "exact"}
    has = {"image": present[:, 0], "text": present[:, 1], "fused": present.any(axis=1)}
    for target, rows in has.items():
        index = parts.load("index", "exact").open(folder / "index" / target)
        wanted = {i for i, row in zip(run.features.ids, rows, strict=True) if row}
        vectors = index.vectors_of(sorted(wanted))
        dim = vectors.shape[1]
        (found,) = index.search(np.eye(1, dim, dtype=np.float32), len(rows))
        assert set(found.ids) == wanted
        assert len(index) == len(wanted)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_index_answer_agrees_with_evaluation_on_all_modalities(run, folder):
    said = dict(
        zip(
            *(
                pq.read_table(folder / "index" / "ids.parquet")[c].to_pylist()
                for c in ("id", "predicted")
            ),
            strict=True,
        )
    )
    compared = pq.read_table(run.root / "evaluation" / "comparisons.parquet").to_pylist()
    assert all(said[row["id"]] == row["chosen"] for row in compared)


def test_the_config_holds_what_shaped_the_model_and_no_more(folder):
    kept = yaml.safe_load((folder / "config.yaml").read_text())
    assert set(kept) == {
        "name", "modalities", "model", "losses", "labeller", "training", "index", "serving",
    }  # fmt: skip


def test_the_card_says_what_it_is_with_the_measured_numbers(folder):
    card = (folder / "card.md").read_text()
    metrics = json.loads((folder / "metrics.json").read_text())
    for words in (
        "# shapes",
        "Label budget",
        f"{metrics['accuracy']:.1%}",
        f"{metrics['by_subset']['image']['accuracy']:.1%}",
        "## Limits",
    ):
        assert words in card
    assert f"**{metrics['label_budget']['total']:,}**" in card
