"""Encoding and batch prediction in indexed Jobs: equal to one process, resumed after eviction."""

import io
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.config.home import Home
from components.config.trainer import KubernetesTrainer
from components.core.files import write_json
from components.core.refs import Ref, digest_file, digest_folder
from components.data.manifest import load_manifest
from components.exchange.exchange import Exchange
from components.features.encode import encode as encode_here
from components.prediction.batch import predict
from components.prediction.block import BLOCK
from components.prediction.predictor import Predictor
from components.shards.join import join_features
from components.shards.plan import EncodePlan
from flows.places import shards
from flows.places.batch import answer
from flows.places.encoder import encode
from tests import synthetic, tiny
from tests.packaged import packed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(500)]

RECORDS = 240


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set with media files, its accepted records and its features from one process."""
    return tiny.encoded(tmp_path_factory.mktemp("shards"), RECORDS)


def block(trainer, parts):
    return KubernetesTrainer.model_validate({**trainer, "shards": parts})


def ref(path):
    return Ref(uri=str(path), digest=digest_folder(path))


def encoded(data, config, tmp_path, uri=None, said=None):
    """The encode step in a Job, and its clean-up."""
    (tmp_path / "out").mkdir()
    clean = encode(
        accepted=ref(data / "accepted"),
        data=Ref(uri=uri or str(data / "data"), digest=digest_folder(data / "data")),
        modalities=synthetic.OPTIONS,
        step="encode",
        cache=tmp_path / "cache",
        out=tmp_path / "out",
        progress=lambda *_: None,
        trainer=config,
        run="test",
        say=(said if said is not None else []).append,
    )
    assert clean is not None
    return tmp_path / "out", clean


def test_three_indexes_encode_what_one_process_encodes(data, trainer, tmp_path, kubectl, namespace):
    said = []
    out, clean = encoded(data, block(trainer, 3), tmp_path, said=said)
    assert digest_folder(out) == digest_folder(data / "features")
    assert any("of 3 parts" in words for words in said)
    job = kubectl.json("get", "jobs", "-n", namespace)["items"][0]
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["status"]["completedIndexes"] == "0-2"
    clean()
    assert kubectl.json("get", "jobs", "-n", namespace)["items"] == []
    assert list((Path(trainer["exchange"]["uri"]) / "jobs").iterdir()) == []


def test_pods_read_media_in_an_object_store_themselves(
    data, pod_code, namespace, kubectl, tmp_path, s3, monkeypatch
):
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).put(
        f"{data / 'data'}/", s3.uri("data/"), recursive=True
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "store"},
        "stringData": s3.env,
    }
    kubectl.apply(secret, namespace)
    keys = [{"env": name, "secret": "store", "key": name} for name in s3.env]
    config = block(
        {
            **pod_code,
            "namespace": namespace,
            "exchange": {"uri": s3.uri("exchange")},
            "secrets": keys,
        },
        2,
    )
    s3fs.S3FileSystem(skip_instance_cache=True).touch(s3.uri("exchange/here"))
    out, clean = encoded(data, config, tmp_path, uri=s3.uri("data"))
    assert digest_folder(out) == digest_folder(data / "features")
    listed = s3fs.S3FileSystem(skip_instance_cache=True).find(s3.uri("exchange/objects"))
    assert not any("/media/" in path for path in listed), "media were copied"
    clean()


def test_three_indexes_answer_what_one_process_answers(data, trainer, tmp_path):
    place, package = data / "data", packed().package
    manifest = load_manifest(str(place))
    wanted = predict(
        predictor=Predictor.load(package),
        data_uri=str(place),
        manifest=manifest,
        out=tmp_path / "here.parquet",
    )
    figures = answer(
        predictor=Predictor.load(package),
        data_uri=str(place),
        manifest=manifest,
        out=tmp_path / "there.parquet",
        home=Home(root=tmp_path / "home"),
        trainer=block(trainer, 3),
        progress=lambda *_: None,
        say=lambda _: None,
    )
    assert figures == wanted
    here, there = (
        pq.read_table(tmp_path / "here.parquet"),
        pq.read_table(tmp_path / "there.parquet"),
    )
    assert here.drop_columns(_numbers(here)).equals(there.drop_columns(_numbers(there)))
    for name in _numbers(here):
        assert there[name].to_pylist() == pytest.approx(here[name].to_pylist(), abs=1e-6)
    assert digest_file(tmp_path / "there.parquet") == digest_file(tmp_path / "here.parquet")


def _numbers(table):
    return [field.name for field in table.schema if pa.types.is_floating(field.type)]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Accepted records whose pictures are slow to decode: a chunk takes seconds."""
    root = tmp_path_factory.mktemp("large")
    (root / "accepted").mkdir()
    pictures = []
    for row in range(5 * BLOCK):
        buffer = io.BytesIO()
        Image.new("L", (2000, 2000), row % 256).save(buffer, "PNG", compress_level=1)
        pictures.append(buffer.getvalue())
    ids = [f"r{row:04d}" for row in range(len(pictures))]
    labels = [synthetic.CLASSES[row % 4] for row in range(len(pictures))]
    table = pa.table(
        {
            "id": ids,
            "group": ids,
            "split": ["train"] * len(ids),
            "label": labels,
            "picture": pictures,
        }
    )
    pq.write_table(table, root / "accepted" / "records.parquet")
    manifest = {
        "id": "id",
        "group": "group",
        "target": {"column": "label"},
        "split": {"column": "split"},
        "modalities": {"image": synthetic.COLUMNS["image"]},
    }
    write_json(
        root / "accepted" / "dataset.json", {"manifest": manifest, "classes": synthetic.CLASSES}
    )
    (root / "features").mkdir()
    options = {"image": synthetic.OPTIONS["image"]}
    encode_here(
        accepted=root / "accepted",
        data_uri="",
        modalities=options,
        cache=root / "cache",
        out=root / "features",
    )
    return root


def test_an_index_whose_pod_is_taken_away_goes_on_with_the_chunks_it_lacks(
    large, trainer, tmp_path, kubectl, namespace
):
    options = {"image": synthetic.OPTIONS["image"]}
    given = ref(large / "accepted")
    plan = EncodePlan(accepted=given, data=given, modalities=options, shards=2, chunk=BLOCK)
    exchange = Exchange(trainer["exchange"]["uri"])
    hurt = threading.Thread(target=_delete_the_pod_of_index_0, args=(exchange, kubectl, namespace))
    hurt.start()
    parts = shards.run(
        plan,
        trainer=block(trainer, 2),
        run_id="test",
        scratch=tmp_path / "scratch",
        progress=lambda *_: None,
        say=lambda _: None,
    )
    hurt.join()
    (tmp_path / "out").mkdir()
    join_features(
        accepted=large / "accepted", modalities=options, chunks=parts.folders, out=tmp_path / "out"
    )
    assert digest_folder(tmp_path / "out") == digest_folder(large / "features")
    (job,) = exchange.names("jobs")
    done = {attempt.about["index"]: attempt.about for attempt in exchange.attempts(job)}
    assert (done[0]["chunks"], done[1]["chunks"]) == (3, 2)
    assert done[0]["resumed"] >= 1
    assert done[1]["resumed"] == 0
    starts = [attempt.token.split("-")[0] for attempt in exchange.attempts(f"{job}/chunks/0")]
    assert len(starts) == len(set(starts)) == 3, "a chunk was done twice"
    parts.clean()


def _delete_the_pod_of_index_0(exchange, kubectl, namespace):
    end = time.monotonic() + 200
    while time.monotonic() < end:
        for job in exchange.names("jobs"):
            if exchange.attempts(f"{job}/chunks/0"):
                pods = kubectl.json("get", "pods", "-n", namespace, "-l", f"concord/job={job}")[
                    "items"
                ]
                (pod,) = [
                    p["metadata"]["name"]
                    for p in pods
                    if p["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
                    == "0"
                ]
                kubectl("delete", "pod", pod, "-n", namespace, "--wait=false")
                return
        time.sleep(0.2)
    raise AssertionError("no chunk came")
