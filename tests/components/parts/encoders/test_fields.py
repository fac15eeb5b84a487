import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.preprocessing import QuantileTransformer

from components.parts import loading as parts
from components.parts.kinds import tabular

COLUMNS = {
    "columns": {
        "age": {"type": "number"},
        "mass": {"type": "number"},
        "kind": {"type": "category"},
        "tags": {"type": "set"},
    }
}


KIND = tabular.build(tabular.Config(), name="facts", columns=COLUMNS)


def build(**options):
    config = parts.configure("encoders", "fields", {"buckets": 9, **options})
    return parts.load("encoders", "fields").build(config, kind=KIND)


NETWORK = build().network()


def encode(raws):
    return build().encode([KIND.decode(raw) for raw in raws])


def test_the_layout_is_numbers_then_buckets_with_marks_for_what_is_missing():
    row = encode([{"age": 3, "tags": ["a", "b", "a"]}])[0]
    assert row.shape == (2 + 2 * 9,)
    assert row[0] == 3
    assert math.isnan(row[1])
    assert row[2] == 1  # kind is missing
    assert not row[3:11].any()
    assert row[11] == 0
    assert 1 <= row[12:].sum() <= 2


def test_an_empty_set_is_not_a_missing_one():
    empty, missing = encode([{"tags": []}, {"tags": None}])
    assert not empty[11:].any()
    assert missing[11] == 1


def test_hashes_are_the_same_in_every_process():
    """Golden: blake2b with 8 bytes, little endian, computed with hashlib."""
    import hashlib

    number = int.from_bytes(hashlib.blake2b(b"demon", digest_size=8).digest(), "little")
    assert encode([{"kind": "demon"}])[0, 2 + 1 + number % 8] == 1


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "age": st.none() | st.floats(-1e6, 1e6) | st.integers(-5, 5),
            "kind": st.none() | st.text(max_size=5),
            "tags": st.none() | st.lists(st.text(max_size=4), max_size=4),
        },
    )
)
def test_any_valid_record_encodes_alone_as_among_others(raw):
    among = encode([{"age": 1.0}, raw])[1]
    assert np.array_equal(encode([raw])[0], among, equal_nan=True)
    assert torch.isfinite(NETWORK(torch.from_numpy(among[None]))).all()


def fitted(values):
    """A network fitted to the first number of records; the second one is never there."""
    network = build().network()
    inputs = torch.full((len(values), 20), float("nan"))
    inputs[:, 0] = torch.as_tensor(values, dtype=torch.float32)
    network.fit_statistics(inputs)
    return network


def scores(network, values):
    numbers = torch.full((len(values), 2), float("nan"))
    numbers[:, 0] = torch.as_tensor(values, dtype=torch.float32)
    return network.scores(numbers)[:, 0].numpy()


@pytest.mark.parametrize("shape", ["normal", "lognormal", "uniform"])
def test_scores_are_the_normal_quantiles_of_scikit_learn(shape):
    values = getattr(np.random.default_rng(0), shape)(size=5_000)
    oracle = QuantileTransformer(n_quantiles=100, output_distribution="normal", subsample=None)
    wanted = oracle.fit_transform(values[:, None])[:, 0]
    inner = np.abs(wanted) < 2.3  # the tails are cut: there the oracle goes on to 5
    assert np.allclose(scores(fitted(values), values)[inner], wanted[inner], atol=0.03)


def test_scores_are_those_of_numpy_between_the_quantiles():
    values = np.random.default_rng(1).gamma(0.5, 100, 500)
    network = fitted(values)
    given = np.linspace(-50, 1_000, 301, dtype=np.float32)
    wanted = np.interp(given, network.knots[0].numpy(), network.levels[0].numpy())
    assert np.allclose(scores(network, given), wanted, atol=1e-5)


def test_a_few_wild_values_change_little_and_missing_ones_do_not_count():
    values = np.random.default_rng(0).normal(10, 2, 900)
    wild = np.concatenate([values, np.full(9, 1e9), np.full(90, np.nan)])
    given = np.linspace(6, 13, 8)
    assert np.allclose(scores(fitted(wild), given), scores(fitted(values), given), atol=0.1)
    assert scores(fitted(wild), [1e30, -1e30, 3e38, np.nan])[:3] == pytest.approx(
        norm.ppf([0.995, 0.005, 0.995])
    )


def test_values_that_many_share_have_the_middle_of_their_shares():
    found = scores(fitted([0.0] * 70 + [1.0] * 30), [0, 1, 5])
    assert found == pytest.approx(norm.ppf([0.35, 0.85, 0.85]), abs=0.02)


@pytest.mark.parametrize("values", [[3.0], [3.0] * 50, [3.0, np.nan], [-3e38, 3e38], [np.nan]])
def test_one_value_two_far_ones_or_none_give_finite_scores(values):
    network = fitted(values)
    assert np.isfinite(scores(network, [-3e38, 0, 3, 3e38])).all()
    assert np.all(np.diff(scores(network, [-3e38, 0, 3, 3e38])) >= 0)


def test_a_model_of_before_with_means_and_scales_answers_alike():
    network = build(clip=3.0).network().eval()
    state = network.state_dict()
    for name in ("knots", "levels"):
        del state[name]
    mean, scale = torch.tensor([5.0, 2010.0]), torch.tensor([2.0, 0.5])
    network.load_state_dict({**state, "mean": mean, "scale": scale})
    numbers = torch.tensor([[6.0, 2010.25], [-400.0, 2009.5], [5.0, 9999.0]])
    wanted = ((numbers - mean) / scale).clamp(-3, 3)
    assert torch.allclose(network.scores(numbers), wanted, atol=1e-4)
