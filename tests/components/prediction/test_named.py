"""A class from its name alone: where names say that classes lie, and what that is worth."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from components.core.errors import UserError
from components.prediction.named import expected, means, readers
from components.prediction.new_class import fit
from tests.components.prediction.test_new_class import CLASSES, DIM, drawn, learned, reference


def gapped(seed=0):
    """Names that lie apart from records, and say half of where these lie, with some noise."""
    rows, labels, new = drawn(seed)
    draw = np.random.default_rng(seed + 100)
    own = np.stack([rows[labels == c].mean(axis=0) for c in range(CLASSES)])
    every = np.concatenate([own, new.mean(axis=0)[None]])
    told = every / 2 + 3.0 + draw.normal(size=every.shape) * 0.02
    return rows, labels, new, own, told


def test_names_that_lie_apart_but_as_records_do_tell_the_means_exactly():
    draw = np.random.default_rng(0)
    told = draw.normal(size=(7, 4))
    own = 5.0 + 2.5 * told
    found = expected(own[:6], told, np.arange(6))
    assert_allclose(found, own)


def test_the_mean_of_a_known_class_is_told_without_its_own_records():
    _, _, _, own, told = gapped()
    other = own.copy()
    other[2] = 99.0
    before, after = (expected(each, told, np.arange(CLASSES)) for each in (own, other))
    assert_allclose(before[2], after[2])
    assert not np.allclose(before[3], after[3])


def test_names_that_say_the_opposite_are_worth_nothing():
    _, _, _, own, told = gapped()
    found = expected(own, -told, np.arange(CLASSES))
    assert_allclose(found[-1], own.mean(axis=0))


def test_a_class_is_recognised_by_its_name_and_others_keep_their_records():
    rows, labels, new, own, told = gapped()
    logits = learned(rows, labels)
    where = expected(own, told, np.arange(CLASSES)).astype(np.float64)
    found = fit(
        reference(rows, labels, logits),
        {"text/a": 0},
        {"text/a": where[-1:]},
        np.ones((1, 1), np.bool_),
        several=False,
        expected={"text/a": where[:-1]},
    )
    column = found.columns["text/a"]
    asked = learned_model(rows, labels).decision_function(new)
    recognised = asked.mean(axis=1) + new @ column.weight + column.bias > asked.max(axis=1)
    assert recognised.mean() > 0.7
    assert found.recognised > 0.6
    assert found.lost < 0.1
    assert column.weight.shape == (DIM,)


def learned_model(rows, labels):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis().fit(rows, labels)


def modality(raw, **encoder):
    return SimpleNamespace(
        spec=SimpleNamespace(raw=raw),
        encoders={"a/b": SimpleNamespace(dtype=np.dtype("f4"), **encoder)},
    )


@pytest.mark.parametrize(
    ("raw", "encoder", "reads"),
    [
        ("text", {}, True),
        ("text", {"sparse": True}, False),
        ("bytes", {}, False),
        ("bytes", {"reads_names": True}, True),
    ],
)
def test_texts_and_image_text_models_read_names(raw, encoder, reads):
    assert bool(readers({"a": modality(raw, **encoder)})) == reads


def test_a_model_without_a_view_that_reads_names_says_what_is_needed():
    model = SimpleNamespace(classes=["a"])
    with pytest.raises(UserError, match=r"CLIP, SigLIP.*give exemplars with `--from`"):
        means(model, {"a": modality("bytes")}, None, "b")


@pytest.mark.parametrize("exemplars", [1, 2])
def test_a_name_beside_few_exemplars_recognises_more_than_these_alone(exemplars):
    """Mean over draws of how far the new class's records lie above the best known class."""
    gains = []
    for seed in range(5):
        rows, labels, new, own, told = gapped(seed)
        known = reference(rows, labels, learned(rows, labels))
        where = expected(own, told, np.arange(CLASSES)).astype(np.float64)
        shown = new[:exemplars]
        given = (known, {"text/a": 0}, {"text/a": shown}, np.ones((exemplars, 1), np.bool_))
        alone = fit(*given, several=False)
        both = fit(
            *given,
            several=False,
            expected={"text/a": where[:-1]},
            told={"text/a": where[-1]},
        )
        gains.append(both.recognised - alone.recognised)
    assert np.mean(gains) > 0
