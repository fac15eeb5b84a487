"""Projectors against numpy, scipy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.special import erf
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import Ridge

from components.core.errors import UsageError, UserError
from components.parts import loading as parts
from components.parts.projectors import maps, mlp

RNG = np.random.default_rng(0)
N = 200


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def paired(noise=0.3, widths=(9, 6), codes=4):
    """Views of one code, not centred."""
    code = RNG.normal(size=(N, codes))
    return {
        name: code @ RNG.normal(size=(codes, width)) + noise * RNG.normal(size=(N, width)) + 3
        for name, width in zip("ab", widths, strict=False)
    }


def fitted(vectors, present=None, dim=5, **options):
    config = parts.configure("projectors", "maps", options)
    made = {n: maps.build(config, width=x.shape[1], dim=dim) for n, x in vectors.items()}
    present = np.ones((N, len(vectors)), bool) if present is None else present
    maps.fit(made, vectors, present)

    def answers(name):
        rows = made[name](torch.from_numpy(vectors[name]).float()).numpy()
        assert np.allclose(np.linalg.norm(rows, axis=1), dim**0.5, rtol=1e-4)
        return unit(rows)

    return made, answers


def recall(a, b):
    return float(((a @ b.T).argmax(axis=1) == np.arange(len(a))).mean())


def test_an_mlp_is_a_hidden_layer_beside_a_straight_way():
    torch.manual_seed(0)
    made = mlp.build(mlp.Config(hidden=6), width=5, dim=4).eval()
    w = {k: v.detach().numpy().astype(float) for k, v in made.state_dict().items()}
    h = RNG.normal(size=(7, 5))
    normed = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-5)
    normed = normed * w["norm.weight"] + w["norm.bias"]
    hidden = normed @ w["first.weight"].T + w["first.bias"]
    hidden = 0.5 * hidden * (1 + erf(hidden / np.sqrt(2)))
    wanted = hidden @ w["second.weight"].T + w["second.bias"] + h @ w["straight.weight"].T
    found = made(torch.from_numpy(h).float()).detach().numpy()
    assert np.allclose(found, 2 * unit(wanted), atol=1e-5)


def test_least_squares_is_ridge_regression_into_the_main_directions_of_the_other():
    vectors = paired()
    present = np.ones((N, 2), bool)
    present[:20, 0] = False  # more records have b, so that b is the target
    _, answers = fitted(vectors, present, dim=5, ridge=0.2)
    a, b = vectors["a"], vectors["b"]
    y = b - b.mean(0)
    _, _, directions = np.linalg.svd(y)
    both = present.all(axis=1)
    x = a[both] - a[both].mean(0)
    penalty = 0.2 * x.var(axis=0).mean() * len(x)
    model = Ridge(alpha=penalty, fit_intercept=False).fit(x, (y @ directions[:5].T)[both])
    wanted = unit((a - a[both].mean(0)) @ model.coef_.T)
    own = unit(y @ directions[:5].T)
    # Directions have no sign: cosines between the modalities do.
    assert np.allclose(answers("a") @ answers("b").T, wanted @ own.T, atol=1e-4)


def test_a_rank_keeps_the_main_directions_of_each_side_first():
    vectors = paired()
    _, answers = fitted(vectors, dim=5, rank=2, ridge=0.0)
    x, y = (v - v.mean(0) for v in vectors.values())
    x2, y2 = (z @ np.linalg.svd(z)[2][:2].T for z in (x, y))
    wanted = unit(y2 @ np.linalg.lstsq(y2, x2, rcond=None)[0])  # a is the target
    assert np.allclose(answers("b") @ answers("a").T, wanted @ unit(x2).T, atol=1e-4)


def test_procrustes_is_scipys_rotation_between_main_directions():
    vectors = paired(widths=(6, 6), codes=6, noise=0.1)
    made, answers = fitted(vectors, dim=6, method="procrustes")
    x, y = (v - v.mean(0) for v in vectors.values())
    wanted, _ = orthogonal_procrustes(y, x)
    # In six directions nothing is left out, and the target's own map turns it.
    a, b = made["a"].weight.numpy(), made["b"].weight.numpy()
    assert np.allclose(b @ a.T, wanted, atol=1e-4)
    assert recall(answers("a"), answers("b")) > recall(unit(x), unit(y))


def test_cca_finds_the_canonical_correlations_of_scikit_learn():
    vectors = paired(codes=3)
    made, _ = fitted(vectors, dim=3, method="cca", ridge=0.0)
    centred = {n: x - x.mean(0) for n, x in vectors.items()}
    found = {n: centred[n] @ made[n].weight.numpy() for n in vectors}
    correlations = [np.corrcoef(found["a"][:, k], found["b"][:, k])[0, 1] for k in range(3)]
    model = CCA(n_components=3, max_iter=5000, tol=1e-10).fit(vectors["a"], vectors["b"])
    x, y = model.transform(vectors["a"], vectors["b"])
    wanted = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(3)]
    assert np.allclose(correlations, wanted, atol=1e-3)


def test_relative_representations_are_cosines_with_paired_anchors():
    vectors = paired()
    present = RNG.random((N, 2)) > 0.2
    _, answers = fitted(vectors, present, dim=7, method="relative")
    whole = np.flatnonzero(present.all(axis=1))
    rows = whole[np.linspace(0, len(whole) - 1, 7).astype(int)]
    for column, (name, x) in enumerate(vectors.items()):
        centred = x - x[present[:, column]].mean(0)
        assert np.allclose(answers(name), unit(unit(centred) @ unit(centred[rows]).T), atol=1e-4)


METHODS = {"least_squares": 0.5, "procrustes": 0.2, "cca": 0.5, "relative": 0.1}
"""Least recall at 1 among 50; anchors alone tell spaces that are turned and stretched less well."""


@pytest.mark.parametrize("method", METHODS)
def test_modalities_find_each_other_among_records_that_were_not_fitted(method):
    vectors = paired(noise=0.05, codes=4)
    present = np.zeros((N, 2), bool)
    present[:150] = True
    _, answers = fitted(vectors, present, dim=8, method=method)
    assert recall(answers("a")[150:], answers("b")[150:]) > METHODS[method]


@pytest.mark.parametrize("method", METHODS)
def test_garbage_in_absent_rows_changes_no_map(method):
    vectors = paired()
    present = RNG.random((N, 2)) > 0.2
    spoiled = {n: np.where(present[:, [i]], x, np.nan) for i, (n, x) in enumerate(vectors.items())}
    first, second = (fitted(v, present, method=method)[0] for v in (vectors, spoiled))
    assert all(torch.equal(first[n].weight, second[n].weight) for n in vectors)


@pytest.mark.parametrize("method", ["least_squares", "cca", "relative"])
def test_modalities_that_no_record_has_together_are_refused(method):
    present = np.zeros((N, 2), bool)
    present[:100, 0] = present[100:, 1] = True
    with pytest.raises(UserError, match=r"model.projector maps: got 0 training records .* wanted"):
        fitted(paired(), present, method=method)


def test_wrong_options_say_what_is_wanted():
    for name, options in (("mlp", {"hidden": 0}), ("maps", {"ridge": -1}), ("linear", {"x": 1})):
        with pytest.raises(UsageError):
            parts.configure("projectors", name, options)
