"""Zero-shot answers by hand, equal counts, and what rounds add."""

from dataclasses import replace

import numpy as np
import pytest

from components.core.errors import UsageError, UserError
from components.parts import loading
from components.parts.labellers import prompts
from components.parts.labelling import Evidence, Records

CLASSES = ["cat", "dog", "car"]


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def words(rng):
    """A space in which each word has a vector, and a text is the mean of its words."""
    known = {}

    def said(texts):
        rows = []
        for text in texts:
            parts = text.strip(".").split()
            rows.append(sum(known.setdefault(w, rng.normal(size=8)) for w in parts) / len(parts))
        return unit(np.array(rows))

    return said


def evidence(x, said):
    n = len(x)
    even = np.full((n, 3), 1 / 3)
    records = Records(
        classes=CLASSES,
        folds=np.full(n, -1),
        features=lambda: {"text/v": x},
        told=lambda texts: {"text/v": (x, said(texts))},
    )
    return Evidence(
        fused=even, by_modality={"text": even}, present=np.ones((n, 1), bool), records=records
    )


def label(x, said, **options):
    decide = prompts.build(prompts.Config(**options))
    nobody = evidence(np.zeros((0, x.shape[1]), np.float32), said)
    return decide(evidence(x, said), nobody, np.empty(0, np.int64), np.full(3, 1 / 3))


def test_class_vectors_are_the_scaled_means_of_their_templates():
    said = unit(np.random.default_rng(0).normal(size=(6, 4)))
    for c, found in enumerate(prompts.class_vectors(said, 3)):
        mean = said[3 * c : 3 * c + 3].mean(axis=0)
        assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-6)


def test_without_rounds_a_record_has_the_class_whose_name_is_nearest():
    """Oracle: the softmax of cosines, by hand."""
    said = words(np.random.default_rng(0))
    x = unit(np.random.default_rng(1).normal(size=(20, 8)))
    found = label(x, said, rounds=0, templates=("{}",), none=(), tau=0.1)
    scores = np.exp(x @ said(CLASSES).T / 0.1)
    assert np.allclose(found.soft, scores / scores.sum(axis=1, keepdims=True), atol=1e-5)
    assert (found.labels == scores.argmax(axis=1)).all()


def test_what_is_nearer_to_none_of_these_gets_no_label():
    said = words(np.random.default_rng(0))
    x = said(["cat", "dog", "boat"])
    found = label(x, said, rounds=0, templates=("{}",), none=("boat",))
    assert found.accepted.tolist() == [True, True, False]
    assert found.reasons[2] == "none of these"


def test_every_class_gets_as_many_records_and_a_record_one_class():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([5, 1, 1], 30)
    chosen = prompts.top(p, np.array([10, 10, 10]))
    assert chosen.sum(axis=0).tolist() == [10, 10, 10]
    one = prompts.alone(p, chosen)
    several = chosen.sum(axis=1) > 1
    assert (one[several] == np.where(chosen, p, 0)[several].argmax(axis=1)).all()
    assert ((one == -1) == ~chosen.any(axis=1)).all()


def test_rounds_learn_what_names_alone_do_not_tell():
    """Classes are clusters around places that their names tell badly."""
    rng = np.random.default_rng(2)
    said = words(rng)
    labels = np.arange(150) % 3
    centres = said(CLASSES) + 0.9 * unit(rng.normal(size=(3, 8)))
    x = unit(centres[labels] + 0.25 * rng.normal(size=(150, 8)))
    options = {"templates": ("{}",), "none": ()}
    first, last = (label(x, said, rounds=r, **options) for r in (0, 5))
    right = [(each.labels == labels).mean() for each in (first, last)]
    assert right[1] > right[0] + 0.02


def test_labelled_records_draw_the_vectors_of_their_classes_where_asked():
    """Oracle: the prototype by hand."""
    said = words(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    x, examples = unit(rng.normal(size=(20, 8))), unit(rng.normal(size=(6, 8)))
    config = prompts.Config(templates=("{}",), none=(), examples=True, rounds=0)
    codes = np.array([0, 0, 1, 1, 1, 1])
    decide = prompts.build(config)
    found = decide(evidence(x, said), evidence(examples, said), codes, np.full(3, 1 / 3))
    texts = said(CLASSES)
    vectors = np.array(
        [
            0.5 * texts[0] + 0.5 * examples[:2].mean(axis=0),
            texts[1] / 3 + examples[2:].mean(axis=0) * 2 / 3,
            texts[2],
        ]
    )
    assert (found.labels == (x @ unit(vectors).T).argmax(axis=1)).all()


def test_without_a_view_that_reads_names_there_is_nothing_to_ask():
    pool = evidence(np.zeros((5, 8), np.float32), words(np.random.default_rng(0)))
    assert pool.records is not None
    blind = replace(pool, records=replace(pool.records, told=lambda _: {}))
    decide = prompts.build(prompts.Config())
    with pytest.raises(UserError, match="got no view that reads names of classes, wanted"):
        decide(blind, blind, np.zeros(5, np.int64), np.full(3, 1 / 3))


def test_a_template_without_a_place_for_the_name_is_refused():
    with pytest.raises(UsageError, match=r"got the template 'a photo', wanted \{\} for the class"):
        loading.configure("labellers", "prompts", {"templates": ["{}", "a photo"]})
