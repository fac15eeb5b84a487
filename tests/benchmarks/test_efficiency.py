"""The table of label efficiency: means over draws, and what is wanted of them."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import _bundled
from benchmarks._by_hand import of_sets
from benchmarks._efficiency import means, plot, table


def line(draw, concord, hand, name="fashion-products"):
    return {
        "set": name, "draw": draw, "figures": {"concord": concord, "student": None},
        "bar": hand, "over single": {"high": -0.01},
    }  # fmt: skip


LINES = [
    line("4_seed0", 0.60, {"a": 0.59, "b": 0.50}),
    line("4_seed1", 0.62, {"a": 0.45, "b": 0.56}),
    line("all", 0.80, {"a": 0.81}),
]


def test_the_best_row_by_hand_is_the_best_on_average():
    few, every = means(LINES)
    assert few.hand == ("b", pytest.approx(0.53))  # a: 0.52
    assert (few.draws, few.figures) == (2, {"concord": pytest.approx(0.61)})
    assert every.margin == pytest.approx(-0.01)


def test_the_table_says_what_is_missed():
    text = table(LINES)
    assert "0.580: met; hand - 0.005: met; single, within noise: **missed**" in text
    assert "0.870: **missed**; hand - 0.005: **missed**" in text
    assert "At 4 labels per class Concord is +0.080" in text


def test_no_results_make_an_empty_table(tmp_path):
    assert len(table([]).strip().splitlines()) == 2
    plot(LINES, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_sets_of_classes_are_told_by_the_view_that_knows_them():
    rng = np.random.default_rng(0)
    labels = (rng.random((80, 3)) < 0.4).astype(np.int8)
    seen = np.arange(80) < 40
    shown = np.where(np.arange(80) % 5 > 0, True, False)
    views = {
        "labels": labels, "visible": seen, "train": seen, "test": ~seen,
        "view/known": labels + rng.normal(0, 0.1, (80, 3)), "present/known": shown,
        "view/noise": rng.normal(size=(80, 50)), "present/noise": np.ones(80, bool),
    }  # fmt: skip
    found = of_sets(views)
    right = {row: ((p > 0.5) == labels)[~seen & shown].mean() for row, p in found.items()}
    assert right["one-vs-rest known"] == 1
    assert right["one-vs-rest stack"] > 0.95 > right["one-vs-rest noise"]
    share = labels[seen].mean(axis=0)
    assert np.allclose(found["one-vs-rest known"][~shown], share)


def test_a_bundled_set_is_a_data_set_whose_draws_lie_in_its_training_split(tmp_path):
    _bundled.make(tmp_path / "wine", "wine")
    records = pq.read_table(tmp_path / "wine" / "records.parquet")
    split = dict(zip(records["id"].to_pylist(), records["split"].to_pylist(), strict=True))
    draws = pq.read_table(tmp_path / "wine" / "labelled.parquet")
    assert {split[id_] for id_ in draws["id"].to_pylist()} == {"train"}
    assert sum(draws["labelled_4_seed0"].to_pylist()) == 4 * 3
