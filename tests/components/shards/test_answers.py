"""Prediction in parts equals one process, and that the predictor."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.refs import Ref, digest_file
from components.data.manifest import load_manifest
from components.exchange.exchange import Exchange
from components.prediction.batch import predict
from components.prediction.block import BLOCK
from components.prediction.format import check_package
from components.prediction.predictor import Predictor
from components.shards.accounting import accounted, folders, results
from components.shards.join import join_answers
from components.shards.plan import PredictPlan
from tests import synthetic, tiny
from tests.components.shards.in_parts import JOB, RECORDS, run_all
from tests.packaged import packed


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """A model and a data set with an empty record, a broken picture and a missing picture."""
    root = tmp_path_factory.mktemp("answers")
    data = tiny.make(root / "data", RECORDS)
    table = pq.read_table(data / "records.parquet")
    rows = table.to_pylist()
    rows[3] |= dict.fromkeys(("image", "text", "weight", "colour", "tags"))
    rows[70] |= {"image": "images/broken.png", "text": "round ring"}
    rows[200] |= {"image": "images/gone.png", **dict.fromkeys(("text", "weight", "colour", "tags"))}
    (data / "media" / "images" / "broken.png").write_bytes(b"no picture")
    pq.write_table(
        pa.Table.from_pylist(rows, schema=table.schema).drop_columns(["label", "split"]),
        data / "records.parquet",
    )
    package = packed().package
    predictor = Predictor.load(package)
    manifest = load_manifest(str(data))
    figures = predict(
        predictor=predictor, data_uri=str(data), manifest=manifest, out=root / "local.parquet"
    )
    return root, predictor, manifest, figures


def predict_plan(answers, shards, chunk=BLOCK):
    root, predictor, manifest, _ = answers
    return PredictPlan(
        package=Ref(uri=str(predictor.path), digest=check_package(predictor.path)),
        kinds=predictor.kinds,
        data=Ref(uri=str(root / "data"), digest="d" * 64),
        manifest=manifest,
        shards=shards,
        chunk=chunk,
    )


@pytest.mark.parametrize(("shards", "chunk"), [(1, 2048), (3, 64)])
def test_answers_of_all_parts_are_the_file_that_one_process_writes(
    answers, tmp_path, shards, chunk
):
    root, predictor, _, figures = answers
    exchange = Exchange(str(tmp_path / "exchange"))
    plan = predict_plan(answers, shards, chunk)
    spec = plan.cut(exchange, tmp_path / "scratch")
    assert spec.digest() == plan.digest()
    run_all(spec, exchange, tmp_path)
    chunks = accounted(spec, results(exchange, JOB, {}, tmp_path / "scratch"))
    files = folders(exchange, JOB, chunks, tmp_path / "scratch")
    out = tmp_path / "joined.parquet"
    assert join_answers(target=predictor.target, chunks=files, count=spec.rows, out=out) == figures
    assert digest_file(out) == digest_file(root / "local.parquet")


def test_answers_are_those_of_the_predictor(answers):
    root, predictor, _, _ = answers
    found = pq.read_table(root / "local.parquet").to_pylist()
    source = synthetic.records()
    for row in (0, 1, 100, 239):
        (wanted,) = predictor.predict([source.raw(row)])
        assert found[row]["id"] == source.ids[row]
        assert found[row]["label"] == wanted.label
        assert found[row]["modalities"] == list(wanted.modalities)
        assert found[row]["confidence"] == pytest.approx(wanted.confidence, abs=1e-6)
        for name, share in wanted.probabilities.items():
            assert found[row][f"probability_{name}"] == pytest.approx(share, abs=1e-6)
        assert found[row]["reason"] is None


def test_a_record_without_a_usable_modality_has_no_label_but_a_reason(answers):
    root, _, _, figures = answers
    found = pq.read_table(root / "local.parquet").to_pylist()
    assert (figures.records, figures.answered) == (240, 238)
    for row, said in ((3, "none of its modalities"), (200, "images/gone.png")):
        assert found[row]["label"] is None
        assert found[row]["confidence"] is None
        assert found[row]["probability_circle"] is None
        assert found[row]["modalities"] == []
        assert said in found[row]["reason"]
    assert found[70]["label"] is not None
    assert "image" not in found[70]["modalities"]
    assert "image" in found[70]["reason"]
