"""How far a record is from training records: what it separates, and what its numbers mean."""

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from components.model.reference import Reference
from components.model.unfamiliar import DISTANCES, NEAREST, Familiarity, write_distances

COLUMNS = {"image/a": 0, "text/b": 1}


def drawn(n, seed, far=0.0):
    """Two views of records of 5 clusters; ``far`` moves them into directions of their own."""
    centres = np.random.default_rng(99).normal(size=(2, 5, 8))
    draw = np.random.default_rng(seed)
    which = draw.integers(5, size=n)
    views = {}
    for view, centre in zip(COLUMNS, centres, strict=True):
        rows = centre[which] + draw.normal(size=(n, 8)) * 0.3
        views[view] = (rows + far * draw.normal(size=8)).astype(np.float32)
    return views


def made(views, present=None):
    n = len(views["image/a"])
    present = np.ones((n, 2), np.bool_) if present is None else present
    return Familiarity(
        Reference(
            views=views,
            present=present,
            labels=np.full(n, -1),
            logits=np.full((n, 0), np.nan, np.float32),
        ),
        COLUMNS,
    )


def everywhere(views):
    return np.ones((len(views["image/a"]), 2), np.bool_)


def test_records_from_elsewhere_are_told_from_new_ones_of_the_same_kind():
    found = made(drawn(400, 0))
    near, far = (found.scores(v, everywhere(v)) for v in (drawn(300, 1), drawn(300, 2, far=1.0)))
    truth = np.repeat([0, 1], 300)
    assert roc_auc_score(truth, np.concatenate([near, far])) > 0.95


def test_a_score_is_the_share_of_training_records_that_are_nearer():
    found = made(drawn(800, 0))
    for present in ([True, True], [True, False], [False, True]):
        asked = drawn(2000, 3)
        scores = found.scores(asked, np.tile(present, (2000, 1)))
        for level in (0.1, 0.5, 0.9):
            assert (scores > level).mean() == pytest.approx(1 - level, abs=0.05)


def test_one_view_ranks_as_nearest_neighbours_of_another_library_do():
    kept, asked = drawn(200, 0), drawn(100, 4)
    present = np.tile([True, False], (100, 1))
    scores = made(kept).scores(asked, present)
    search = NearestNeighbors(n_neighbors=NEAREST).fit(kept["image/a"])
    distances = search.kneighbors(asked["image/a"])[0].mean(axis=1)
    own = search.kneighbors(n_neighbors=NEAREST)[0].mean(axis=1)
    shares = (np.sum(own[:, None] < distances, axis=0) + 0.5) / 201
    assert np.allclose(scores, shares, atol=0.006)


def test_sparse_rows_are_as_far_as_equal_dense_ones():
    kept, asked = drawn(100, 0), drawn(50, 5)
    dense = made(kept).scores(asked, everywhere(asked))
    sparse, asked = ({**v, "text/b": csr_array(v["text/b"])} for v in (kept, asked))
    assert np.allclose(made(sparse).scores(asked, everywhere(asked)), dense, atol=0.02)


def test_a_record_without_a_known_view_has_no_score():
    kept = drawn(50, 0)
    only = np.tile([True, False], (50, 1))
    scores = made(kept, only).scores(drawn(2, 1), np.array([[False, True], [True, True]]))
    assert np.isnan(scores).tolist() == [True, False]


def test_stored_distances_are_those_of_the_records_that_a_folder_keeps(tmp_path):
    kept = drawn(60, 0)
    reference = Reference(
        views={"image/a": kept["image/a"], "text/b": csr_array(kept["text/b"])},
        present=np.tile([True, True], (60, 1)),
        labels=np.full(60, -1),
        logits=np.full((60, 0), np.nan, np.float32),
    )
    reference.save(tmp_path)
    write_distances(COLUMNS, tmp_path)
    stored, loaded = load_file(tmp_path / DISTANCES), Reference.load(tmp_path)
    for view, rows in loaded.views.items():
        dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
        found = NearestNeighbors(n_neighbors=NEAREST).fit(dense).kneighbors()[0].mean(axis=1)
        assert np.allclose(stored[view], found, atol=1e-3)
    (tmp_path / "reference.safetensors").unlink()
    write_distances(COLUMNS, tmp_path)
    assert not (tmp_path / DISTANCES).exists()
