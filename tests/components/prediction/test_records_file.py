"""Records of one file: the same answers as online, whatever form the file has."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from components.core.errors import UserError
from components.prediction.batch import predict
from components.prediction.predictor import Predictor
from components.prediction.records_file import RecordsFile
from components.prediction.vectors_file import vectors
from tests.packaged import packed

ROWS = range(12)


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(packed().package)


def written(path, predictor, form=None):
    file = RecordsFile(path, predictor.modalities, predictor.path)
    out = path.with_name("out.parquet")
    predict(
        predictor=predictor, data_uri=file.uri, manifest=file.manifest, out=out, file=file,
        form=form,
    )  # fmt: skip
    return pq.read_table(out).to_pylist()


def test_columns_that_the_model_needs_and_does_not_read_are_known(tmp_path, predictor):
    path = tmp_path / "table.csv"
    path.write_text("id,txet,colour\n1,round ring,green\n")
    file = RecordsFile(path, predictor.modalities, predictor.path)
    assert file.unread == ["txet"]
    assert {"text", "image", "weight"} <= set(file.lacking)


def cells():
    """The records with a column for each modality, and for each field of the tabular one."""
    raws = packed().source.raws
    facts = [raws["facts"][row] or {} for row in ROWS]
    return {
        "image": [raws["image"][row] for row in ROWS],
        "text": [raws["text"][row] for row in ROWS],
        **{c: [f.get(c) for f in facts] for c in ("weight", "colour", "tags")},
    }


def test_parquet_with_media_inside_is_answered_as_online(tmp_path, predictor):
    pq.write_table(pa.table(cells()), tmp_path / "r.parquet", row_group_size=5)
    for row, found in enumerate(written(tmp_path / "r.parquet", predictor)):
        (wanted,) = predictor.predict([packed().source.raw(row)])
        assert found["id"] == str(row)
        assert found["label"] == wanted.label
        given = [found[f"probability_{name}"] for name in predictor.classes]
        online = [wanted.probabilities[name] for name in predictor.classes]
        np.testing.assert_allclose(given, online, atol=1e-5)


def test_vectors_are_those_of_one_record(tmp_path, predictor):
    pq.write_table(pa.table(cells()), tmp_path / "r.parquet")
    for row, found in enumerate(written(tmp_path / "r.parquet", predictor, vectors(predictor))):
        online = predictor.classifier.embed(packed().source.raw(row))
        assert found["modalities"] == sorted({*online} - {"fused"})
        for name in ("fused", *predictor.classifier.names):
            if name not in online:
                assert found[name] is None
            else:
                np.testing.assert_allclose(found[name], online[name], atol=1e-5)


def test_csv_with_paths_and_numbers_as_text_means_the_same(tmp_path, predictor):
    columns = cells()
    for row, content in enumerate(columns["image"]):
        if content is not None:
            (tmp_path / f"{row}.png").write_bytes(content)
    paths = [None if c is None else f"{row}.png" for row, c in enumerate(columns["image"])]
    text = [None if tags is None else ",".join(tags) for tags in columns["tags"]]
    table = pa.table({**columns, "image": paths, "tags": text, "id": [f"r{n}" for n in ROWS]})
    pa.csv.write_csv(table, tmp_path / "r.csv")
    for row, found in enumerate(written(tmp_path / "r.csv", predictor)):
        (wanted,) = predictor.predict([packed().source.raw(row)])
        assert (found["id"], found["label"]) == (f"r{row}", wanted.label)
        assert found["modalities"] == list(wanted.modalities)


def test_the_names_of_the_data_set_are_known_too_and_missing_columns_are_empty(tmp_path, predictor):
    (tmp_path / "r.jsonl").write_text(json.dumps({"title": "ring", "colour": "red"}) + "\n")
    (found,) = written(tmp_path / "r.jsonl", predictor)
    assert found["modalities"] == ["facts", "text"]


def test_a_file_without_any_modality_is_told_what_was_wanted(tmp_path, predictor):
    (tmp_path / "r.csv").write_text("name,price\na,1\n")
    with pytest.raises(UserError, match=r"columns name, price, wanted .* image; text; rename"):
        written(tmp_path / "r.csv", predictor)
    (tmp_path / "r.csv").write_text("weight\nheavy\n")
    with pytest.raises(UserError, match=r"'weight': got text, for .* 'heavy' in row 1; wanted"):
        written(tmp_path / "r.csv", predictor)


def test_a_file_of_another_kind_is_told_what_may_be_given(tmp_path, predictor):
    (tmp_path / "r.txt").write_text("ring")
    with pytest.raises(UserError, match=r"got .txt, wanted a table .* or a data set$"):
        written(tmp_path / "r.txt", predictor)


@pytest.mark.parametrize("odd", [b"gr\xfcn", b"a\0b", "grün".encode("utf-16-le")])
def test_a_file_that_is_not_utf_8_is_advised_what_this_command_can_do(tmp_path, predictor, odd):
    (tmp_path / "r.csv").write_bytes(b"text,colour\n" + odd + b",red\n")
    with pytest.raises(UserError, match=r"save it as UTF-8.* `data import`"):
        written(tmp_path / "r.csv", predictor)
