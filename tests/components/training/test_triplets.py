"""Triplets are pairs of training records that differ in one categorical attribute alone."""

import dataclasses

import numpy as np
import pytest

from components.config.composer import ComposerConfig
from components.core.errors import UserError
from components.features.categories import Categories, categories
from components.training.triplets import Triplets, differing_in_one, triplets
from tests.synthetic import records, write_features

COMPOSER = ComposerConfig(reference="image", text="text", triplets=600)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("t") / "features", records(200))


def by_hand(codes, references, targets):
    """The oracle: every pair, compared attribute by attribute."""
    n, k = codes.shape
    return {
        (i, j, differs[0])
        for i in range(n)
        for j in range(n)
        if references[i] and targets[j]
        for differs in [[a for a in range(k) if codes[i, a] != codes[j, a]]]
        if len(differs) == 1 and min(codes[i, differs[0]], codes[j, differs[0]]) >= 0
    }


def test_they_are_the_pairs_that_a_comparison_of_all_records_finds():
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 3, (40, 3))
    references, targets = rng.random(40) < 0.7, rng.random(40) < 0.7
    of = Categories(names=("a", "b", "c"), codes=codes)
    found = differing_in_one(of, references, targets, 30_000, rng)
    wanted = by_hand(codes, references, targets)
    assert len(wanted) > 20
    assert set(zip(*(column.tolist() for column in found), strict=True)) == wanted


def test_there_are_no_more_than_were_asked_for():
    codes = np.random.default_rng(0).integers(0, 3, (200, 2))
    every = np.ones(200, np.bool_)
    of = Categories(names=("a", "b"), codes=codes)
    i, _, attribute = differing_in_one(of, every, every, 50, np.random.default_rng(1))
    assert 40 < len(i) <= 50
    assert np.bincount(attribute).max() <= 25


def test_records_of_a_data_set_differ_in_one_field_and_have_what_is_asked(features):
    found, known = triplets(features, COMPOSER, 0), categories(features)
    columns = [features.names.index(name) for name in ("image", "text")]
    assert (~found.held_out).sum() > 20
    assert found.held_out.any()
    for i, j, changed in zip(found.references, found.targets, found.changed, strict=True):
        differs = np.flatnonzero(known.codes[i] != known.codes[j])
        assert [known.names[a] for a in differs] == [changed]
        assert features.present[j, columns].all()
        assert features.present[i, columns[0]]
        assert {features.splits[i], features.splits[j]} == {"train"}


def test_no_group_of_a_triplet_that_judges_is_in_one_to_learn_from(features):
    grouped = dataclasses.replace(features, groups=[f"g{n // 3}" for n in range(200)])
    found = triplets(grouped, COMPOSER, 0)
    used = [
        {grouped.groups[row] for row in (*found.references[part], *found.targets[part])}
        for part in (found.held_out, ~found.held_out)
    ]
    assert min(map(len, used)) > 0
    assert not used[0] & used[1]


def test_a_hidden_label_is_never_read(features):
    """Hidden labels are gone from the features; records without one count as one more class."""
    hidden = dataclasses.replace(features, labels=features.target.unlabelled(200))
    assert set(triplets(hidden, COMPOSER, 0).changed.tolist()) == {"facts.colour", "facts.tags"}


def test_they_are_drawn_again_from_the_same_seed_and_kept_in_a_file(features, tmp_path):
    first, again = (triplets(features, COMPOSER, 7) for _ in range(2))
    first.save(tmp_path)
    for other in (again, Triplets.load(tmp_path)):
        for field in dataclasses.fields(Triplets):
            assert np.array_equal(getattr(first, field.name), getattr(other, field.name))


def test_a_data_set_without_triplets_is_refused_in_one_sentence(features):
    none = dataclasses.replace(features, present=np.zeros_like(features.present))
    with pytest.raises(UserError, match=r"^composer: got no two .* facts\.colour.*manifest$"):
        triplets(none, COMPOSER, 0)
