"""A sparse view goes through cache, folder and shards as a dense one, and past the network."""

import tempfile
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from components.config.run import ModelConfig
from components.core.errors import UsageError
from components.core.refs import digest_folder
from components.exchange.exchange import Exchange
from components.features.cache import SparseCache, content_key
from components.features.encode import encode
from components.features.modality import build_modality, rebuilt
from components.features.rows import joined, opened, placed, writer
from components.features.spec import ViewSpec
from components.features.store import Features
from components.model import storage
from components.model.inference import infer
from components.prediction.block import BLOCK
from components.shards.accounting import accounted, folders, results
from components.shards.join import join_features
from components.shards.plan import EncodePlan
from components.shards.work import run_index
from tests import synthetic
from tests.components.features.test_features import write_accepted
from tests.components.shards.in_parts import ref

COLUMNS = 1_024
VIEW = "text/ngrams"
NGRAMS = {"name": "ngrams", "buckets": COLUMNS}
OPTIONS = synthetic.OPTIONS | {"text": {"encoders": [{"name": "hashing", "buckets": 16}, NGRAMS]}}
SPEC = ViewSpec(
    encoder="ngrams", options={}, digest="", shape=(COLUMNS,), dtype="float32", sparse=True
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_accepted(tmp_path_factory.mktemp("sparse") / "accepted", synthetic.records(150))


def encoded(data, out, cache):
    out.mkdir()
    encode(accepted=data, data_uri=str(data), modalities=OPTIONS, cache=cache, out=out)
    return Features.load(out)


def test_rows_are_what_the_encoder_makes_and_nothing_where_the_text_is_absent(data, tmp_path):
    found = encoded(data, tmp_path / "out", tmp_path / "cache")
    has = found.present[:, found.names.index("text")]
    encoder = rebuilt("text", found.specs["text"]).encoders[VIEW]
    texts = [t for t in found.previews()["text"].to_pylist() if t is not None]
    rows = found.sparse()[VIEW]
    assert not has.all()
    assert rows.shape == (150, COLUMNS)
    assert (rows[has] != encoder.encode(texts)).nnz == 0
    assert rows[~has].nnz == 0
    assert list(found.views(["text"])) == ["text/hashing"]


def test_rows_stay_on_disk_until_they_are_read(data, tmp_path):
    rows = encoded(data, tmp_path / "out", tmp_path / "cache").arrays[VIEW]
    assert all(isinstance(root(a), mmap) for a in (rows.data, rows.indices, rows.indptr))


def root(array):
    """What holds the memory of an array."""
    return array if array is None or isinstance(array, mmap) else root(array.base)


def test_an_empty_and_a_full_cache_give_the_same_bytes(data, tmp_path):
    for name in "ab":
        encoded(data, tmp_path / name, tmp_path / "cache")
    assert digest_folder(tmp_path / "a") == digest_folder(tmp_path / "b")


def test_shards_join_to_the_bytes_that_one_process_writes(data, tmp_path):
    encoded(data, tmp_path / "one", tmp_path / "cache")
    exchange, out = Exchange(str(tmp_path / "exchange")), tmp_path / "joined"
    plan = EncodePlan(accepted=ref(data), data=ref(data), modalities=OPTIONS, shards=2, chunk=BLOCK)
    spec = plan.cut(exchange, tmp_path / "scratch")
    for index in range(len(spec.parts)):
        run_index(spec, index, exchange=exchange, job="j", attempt="a", cache=tmp_path / "pods")
    parts = accounted(spec, results(exchange, "j", {}, tmp_path / "scratch"))
    chunks = folders(exchange, "j", parts, tmp_path / "scratch")
    out.mkdir()
    join_features(accepted=data, modalities=OPTIONS, chunks=chunks, out=out)
    assert digest_folder(out) == digest_folder(tmp_path / "one")


def test_the_network_reads_the_other_views_and_is_saved_and_loaded(data, tmp_path):
    found = encoded(data, tmp_path / "out", tmp_path / "cache")
    model = storage.build(ModelConfig(dim=8), classes=found.classes, specs=found.specs)
    assert model.views["text"] == ["text/hashing"]
    storage.save(model, tmp_path / "model")
    again = infer(storage.load(tmp_path / "model"), found.views(), found.present)
    assert np.array_equal(
        infer(model, found.arrays, found.present).logits, again.logits, equal_nan=True
    )


def test_a_modality_of_only_sparse_views_is_refused_with_what_to_do():
    with pytest.raises(UsageError, match=r"only \['ngrams'\].*name another encoder beside it"):
        build_modality("text", "text", {"encoders": [NGRAMS]}, synthetic.COLUMNS["text"])


def random_rows(count, seed):
    dense = np.random.default_rng(seed).poisson(0.002, (count, COLUMNS))
    return csr_array(dense.astype(np.float32))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(0, 99))
def test_batches_with_gaps_become_one_array(sizes, seed):
    pieces = [random_rows(size, seed + i) for i, size in enumerate(sizes)]
    with tempfile.TemporaryDirectory() as folder:
        path, count = Path(folder) / "view", 2 * sum(sizes)
        written = writer(path, SPEC, count)
        start = 0
        for piece in pieces:
            written.add(start + 2 * np.arange(piece.shape[0]), piece)
            start += 2 * piece.shape[0]
        written.close()
        found = opened(path, SPEC)
        assert found.shape == (count, COLUMNS)
        assert np.array_equal(found.toarray()[::2], joined(pieces).toarray())
        assert not found.toarray()[1::2].any()


def test_placed_rows_stand_where_numpy_would_put_them():
    rows, at = random_rows(3, 0), np.array([1, 2, 5])
    found = placed(rows, at, 6)
    assert np.array_equal(found.toarray(), placed(rows.toarray(), at, 6))


def test_cached_rows_come_back_in_any_order(tmp_path):
    rows, keys = random_rows(5, 1), [content_key(bytes([i])) for i in range(5)]
    SparseCache(tmp_path, "d", COLUMNS, np.dtype(np.float32)).add(keys, rows)
    again = SparseCache(tmp_path, "d", COLUMNS, np.dtype(np.float32))
    again.refresh()
    assert (again.take(keys[::-1]) != rows[::-1]).nnz == 0
    assert again.take([]).shape == (0, COLUMNS)
