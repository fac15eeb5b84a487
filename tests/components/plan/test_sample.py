"""A survey matches what a run finds; its sample is a valid data set."""

import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config.run import DataConfig
from components.core.errors import UserError
from components.data.manifest import load_manifest
from components.parts import loading as parts
from components.plan import sample
from components.validation.accept import validate
from tests import datasets, synthetic, tiny

LABELS = {"file": "labelled.parquet", "column": "visible"}


def surveyed(data):
    return sample.survey(data, load_manifest(data.uri))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "data"
    return DataConfig(uri=str(tiny.make(folder)), labels=LABELS)


def accepted(data, out):
    out.mkdir()
    validate(data=data, manifest=load_manifest(data.uri), modalities=synthetic.OPTIONS, out=out)
    return pq.read_table(out / "records.parquet")


def test_splits_and_visible_labels_are_those_that_a_run_accepts(data, tmp_path):
    seen, records = surveyed(data), accepted(data, tmp_path / "out")
    assert seen.records == seen.seen == records.num_rows
    assert seen.splits.tolist() == records["split"].to_pylist()
    assert seen.labels.tolist() == [label or "" for label in records["label"].to_pylist()]


@pytest.mark.parametrize("count", [40, 100])
def test_a_sample_is_a_data_set_that_a_run_accepts(data, tmp_path, count):
    seen = surveyed(data)
    cut = sample.write(data, seen, count, tmp_path / "cut")
    records = accepted(cut.data, tmp_path / "out")
    assert records.num_rows == cut.records == count
    learned = set(seen.labels[seen.learnable])
    assert set(records["label"].drop_null().to_pylist()) == learned
    assert cut.media_bytes > 0


def test_a_sample_never_shows_a_hidden_label(data, tmp_path):
    seen = surveyed(data)
    cut = sample.write(data, seen, 100, tmp_path / "cut")
    shown = pq.read_table(f"{cut.data.uri}/records.parquet", columns=["id", "label"]).to_pylist()
    whole = pq.read_table(f"{data.uri}/records.parquet", columns=["id"])["id"].to_pylist()
    visible = dict(zip(whole, seen.labels.tolist(), strict=True))
    assert all(visible[row["id"]] == row["label"] for row in shown if row["label"] is not None)


def test_a_sample_has_the_shares_of_the_whole():
    rng = np.random.default_rng(0)
    splits = rng.choice(["train", "val", "test"], 5000, p=[0.7, 0.1, 0.2])
    labels = np.where(rng.random(5000) < 0.2, rng.choice([*"abcdefgh"], 5000), "")
    whole = sample.Survey(manifest=None, records=5000, splits=splits, labels=labels)
    rows = sample.choose(whole, 500)
    for label, count in Counter(labels[splits == "train"].tolist()).items():
        found = int(((splits[rows] == "train") & (labels[rows] == label)).sum())
        # To within one record, and what makes room for eight held-out ones among 500.
        assert abs(found - count / 10) <= 1 + 0.03 * count / 10, label


def test_a_rare_class_is_in_every_sample():
    splits = np.array(["train"] * 1000 + ["val"] * 100)
    labels = np.array(["often"] * 999 + ["rare"] + [""] * 100)
    whole = sample.Survey(manifest=None, records=1100, splits=splits, labels=labels)
    assert 999 in sample.choose(whole, 20)


def test_pictures_in_the_records_themselves_are_not_media_by_path(tmp_path):
    folder = tiny.make(tmp_path / "data", 60)
    table = pq.read_table(folder / "records.parquet")
    paths = table["image"].to_pylist()
    pictures = pa.array([p and (folder / "media" / p).read_bytes() for p in paths], pa.binary())
    table = table.set_column(table.schema.get_field_index("image"), "image", pictures)
    pq.write_table(table, folder / "records.parquet")
    data = DataConfig(uri=str(folder))
    cut = sample.write(data, surveyed(data), 40, tmp_path / "cut")
    assert cut.media_bytes == 0
    assert cut.record_bytes > sum(len(p) for p in pictures.drop_null().to_pylist()) / 3


def test_a_sample_keeps_a_kind_of_the_users_own(tmp_path):
    folder = tiny.make(tmp_path / "data", 60)
    shutil.copy(parts.source("kinds", "image"), tmp_path / "mine.py")
    text = (folder / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(text.replace("kind: image", "kind: mine.py"))
    data, manifest = DataConfig(uri=str(folder)), load_manifest(str(folder), None, tmp_path)
    cut = sample.write(data, sample.survey(data, manifest), 40, tmp_path / "cut")
    assert load_manifest(cut.data.uri, None, tmp_path).modalities == manifest.modalities
    assert cut.media_bytes > 0


def test_a_set_without_a_visible_training_label_cannot_be_planned(tmp_path):
    records = [
        {**r, "label": None if r["split"] == "train" else r["label"]} for r in datasets.rows()
    ]
    data = DataConfig(uri=str(datasets.write(tmp_path / "data", records)))
    with pytest.raises(UserError, match="no training record has a visible label in column 'label'"):
        surveyed(data)
