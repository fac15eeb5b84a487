"""Vectors of classes from texts and examples, by the formula."""

import numpy as np
import pytest

from components.parts.prototypes import class_vectors, text_share, unit


@pytest.mark.parametrize(("examples", "prior", "share"), [(0, 2, 1), (2, 2, 0.5), (8, 2, 0.2)])
def test_a_name_counts_less_the_more_examples_there_are(examples, prior, share):
    assert float(text_share(examples, prior)) == pytest.approx(share)


def test_a_class_lies_between_its_text_and_its_examples():
    """Oracle: the formula, class by class."""
    rng = np.random.default_rng(0)
    texts, means = unit(rng.normal(size=(3, 5))), rng.normal(size=(3, 5))
    found = class_vectors(texts, means, np.array([0, 1, 6]), prior=2.0)
    for c, share in enumerate((1.0, 2 / 3, 0.25)):
        wanted = share * texts[c] + (1 - share) * means[c]
        assert np.allclose(found[c], wanted / np.linalg.norm(wanted))


def test_without_a_prior_examples_tell_alone_and_a_class_without_one_keeps_its_text():
    texts, means = np.eye(2), np.array([[0.0, 3.0], [np.nan, np.nan]])
    assert class_vectors(texts, means, np.array([4, 0]), prior=0.0).tolist() == [[0, 1], [0, 1]]
