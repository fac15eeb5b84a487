"""A class may have any name: no part of a run fails or loses a figure because of it."""

import pytest

pytest.importorskip("mlflow")

from mlflow.utils.validation import _validate_metric_name

from components.registry.mlflow_runs import flat

NAMES = [
    *("L" * 300, "L" * 299 + "x", "a/", "a//b", "/", "../a", "./a", "a/../b", ".", "..", " ", ""),
    *("C#", "C_", "C%", 'a, "b"\nnew line', "x/y: {z}", "=1+1", "\u732b", "e\u0301", "\U0001f600"),
]


def test_each_class_keeps_a_figure_under_a_name_that_mlflow_takes():
    figures = flat({"by_class": {name: {"f1": float(i)} for i, name in enumerate(NAMES)}})
    assert sorted(figures.values()) == [float(i) for i in range(len(NAMES))]
    for name in figures:
        _validate_metric_name(name)
        assert len(name) <= 250
    assert flat({"by_class": {"a/b": {"f1": 1}}}) == {"by_class.a/b.f1": 1}
