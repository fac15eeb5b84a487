"""Heads in closed form answer as scikit-learn's estimators do."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

from components.parts.heads import gda, prototype


def problem():
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 3
    x = rng.normal(size=(3, 5))[labels] + rng.normal(size=(60, 5)) * np.arange(1, 6)
    return x.astype(np.float32), labels


def test_gda_is_scikit_learns_discriminant_with_a_shrunken_covariance():
    x, labels = problem()
    (found,) = gda.build(gda.Config(shrinkages=(0.3,))).path(
        x, np.eye(3)[labels], np.ones((60, 1)), "softmax"
    )
    covariance = sum(np.cov(x[labels == c].T, bias=True) for c in range(3)) / 3
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 5 * np.eye(5)
    oracle = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=_Given(shrunk))
    oracle.fit(x, labels)
    assert np.abs(softmax(found.logits(x, 0), axis=1) - oracle.predict_proba(x)).max() < 1e-4


def test_a_prototype_without_a_prior_is_the_nearest_centroid():
    x, labels = problem()
    (found,) = prototype.build(prototype.Config(priors=(1e-9,))).path(
        x, np.eye(3)[labels], np.ones((60, 1)), "softmax"
    )
    oracle = NearestCentroid().fit(x, labels).predict(x)
    assert (found.logits(x, 0).argmax(axis=1) == oracle).all()


class _Given:
    """An estimator of covariances that returns what it was given."""

    def __init__(self, covariance):
        self.covariance = covariance

    def fit(self, x):  # noqa: ARG002
        self.covariance_ = self.covariance
        return self


def test_a_rare_class_that_is_like_all_others_is_told_from_them_by_nothing_but_its_share():
    """Means of few records are far from all others, which would make every answer a sure no."""
    said = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, targets = rng.normal(size=(300, 40)), np.zeros((300, 1))
        targets[:6] = 1
        (found,) = gda.build(gda.Config(shrinkages=(1.0,))).path(
            x[:200].astype(np.float32), targets[:200], np.ones((200, 1)), "sigmoid"
        )
        said.append(found.logits(x[200:].astype(np.float32), -1).mean())
    assert np.mean(said) == pytest.approx(np.log(6.5 / 194.5), abs=0.3)
