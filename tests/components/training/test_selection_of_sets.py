"""What share the network has where records have sets of classes: what the half that tunes says."""

import numpy as np
import pytest

from components.core.files import read_json, write_json
from components.features.halves import halves
from components.features.store import Features
from components.parts.linear import likelihood
from components.training.selection import Trial, choose
from tests.synthetic import CLASSES, records, write_features


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Synthetic records, each with the set of its one class."""
    folder = tmp_path_factory.mktemp("selection") / "features"
    codes = write_features(folder, records(400, labelled=0.5)).labels
    known = np.where(codes[:, None] < 0, -1, codes[:, None] == np.arange(len(CLASSES)))
    np.save(folder / "labels.npy", known.astype(np.int8))
    meta = read_json(folder / "features.json")
    write_json(folder / "features.json", meta | {"target": "multi"})
    return Features.load(folder)


@pytest.fixture
def rows(data):
    return data.rows("train", labelled=True)


def told(data, rows, noise, seed):
    """Logits that tell the labels, with noise of their own."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * data.labels[rows] - 1 + noise * rng.normal(size=data.labels[rows].shape)
    return lambda names: logits  # noqa: ARG005 - the same from any modalities


def calibrated(data, rows, noise, seed):
    """The same, as sure as they are right."""
    logits = told(data, rows, noise, seed)(())
    found = logits / data.target.calibrate(logits, data.labels[rows])
    return lambda names: found  # noqa: ARG005


@pytest.mark.parametrize(("noise", "low", "high"), [(2.0, 0.35, 0.65), (9.0, 0.0, 0.15)])
def test_two_that_are_as_good_share_alike_and_a_poor_network_gets_little(
    data, rows, noise, low, high
):
    committee, network = (calibrated(data, rows, n, seed) for n, seed in ((2.0, 1), (noise, 2)))
    mix, found = choose(Trial(rows=rows, committee=committee, network=network), data)
    assert low <= found["share"] <= high
    at = np.isin(rows, halves(data, rows).tune)
    own = data.target.calibrate(network(())[at], data.labels[rows][at])
    if found["kept"] == "mix":
        assert (mix.network * own, mix.committee) == pytest.approx(
            (found["share"], 1 - found["share"])
        )


def test_the_share_is_that_of_a_search_over_a_grid(data, rows):
    committee, network = told(data, rows, 1.0, seed=1), told(data, rows, 2.0, seed=2)
    found = choose(Trial(rows=rows, committee=committee, network=network), data)[1]["share"]
    at = np.isin(rows, halves(data, rows).tune)
    labels = data.labels[rows][at].astype(float)
    own = data.target.calibrate(network(())[at], data.labels[rows][at])
    grid = np.linspace(0, 1, 2001)
    losses = [
        -likelihood(
            s * network(())[at] / own + (1 - s) * committee(())[at], labels, "sigmoid"
        ).sum()
        + len(CLASSES) * (s - 0.5) ** 2 / 2
        for s in grid
    ]
    assert found == pytest.approx(grid[np.argmin(losses)], abs=2e-3)


def test_records_that_choose_do_not_tell_the_share(data, rows):
    trial = Trial(
        rows=rows, committee=told(data, rows, 1.0, seed=1), network=told(data, rows, 2.0, seed=2)
    )
    labels = data.labels.copy()
    choosing = halves(data, rows).choose
    labels[choosing] = 1 - labels[choosing]
    other = Features(**{**vars(data), "labels": labels})
    assert choose(trial, other)[1]["share"] == choose(trial, data)[1]["share"]
