"""The member that compares records: when it is kept, and that a model answers as it does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.features.store import Features
from components.model import storage
from components.model.committee import LinearView
from components.model.description import Mix
from components.model.inference import infer
from components.model.neighbours import Neighbours as Member
from components.model.subsets import subsets
from components.model.widening import widened
from components.parts.heads import gda
from components.training import taught
from components.training.joining import with_neighbours
from components.training.labelled import Labelled
from components.training.light import light_views, put_into
from components.training.members import crossfit
from components.training.neighbours import Neighbours
from components.training.views import Views
from tests import learned
from tests.synthetic import OPTIONS, records, write_features

N, KNOWN = 300, 60


def made(bent):
    """Two classes in four corners, opposite ones alike where they are bent."""
    rng = np.random.default_rng(0)
    corners = rng.choice([-1.0, 1.0], size=(N, 2))
    codes = (corners.prod(axis=1) > 0) if bent else corners[:, 0] > 0
    x = (corners + rng.normal(scale=0.3, size=(N, 2))).astype(np.float32)
    views = Views(features={"a/b": x}, present={"a/b": np.ones(N, np.bool_)})
    labelled = Labelled(
        rows=np.arange(KNOWN),
        targets=np.eye(2)[codes[:KNOWN].astype(int)],
        folds=np.arange(KNOWN) % 3,
        activation="softmax",
    )
    return views, labelled, codes.astype(int)


def joined(views, labelled, codes):
    committee = crossfit(views, labelled, {"gda": gda.build(gda.Config())})
    known = np.repeat(np.eye(2)[codes][None], labelled.fits, axis=0)
    for fit in range(labelled.fits - 1):
        known[fit, :KNOWN][labelled.folds == fit] = 0.5
    return committee, with_neighbours(
        views,
        labelled,
        committee,
        shares={"a/b": 1.0},
        pool=np.arange(N - 100),
        distributions=known.astype(np.float32),
        shift=np.zeros(2),
    )


@pytest.mark.parametrize(("most", "labelled"), [(20, 20), (100, KNOWN)])
def test_no_more_records_are_kept_than_a_model_carries(monkeypatch, most, labelled):
    monkeypatch.setattr("components.training.joining._MOST", most)
    found = joined(*made(bent=True))[1].neighbours
    assert (found.rows < KNOWN).sum() == labelled
    assert len(found.rows) == len(found.vectors) <= most


def test_it_is_kept_where_held_out_records_speak_for_it():
    views, labelled, codes = made(bent=True)
    before, after = joined(views, labelled, codes)
    new = np.arange(N - 100, N)
    right = [
        (c.logits(views, rows=new).argmax(axis=1) == codes[new]).mean() for c in (before, after)
    ]
    assert after.neighbours is not None
    assert right[0] < 0.7
    assert right[1] > 0.95


def test_it_is_refused_where_lines_say_all():
    before, after = joined(*made(bent=False))
    assert after is before


def test_a_record_is_no_neighbour_of_itself():
    """Its own distribution would answer for it; the oracle leaves it out of the average."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(10, 3)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    views = Views(features={"a/b": x}, present={"a/b": np.ones(10, np.bool_)})
    known = rng.dirichlet(np.ones(4), size=10).astype(np.float32)
    member = Neighbours(
        shares={"a/b": 1.0},
        rows=np.arange(10),
        vectors=x,
        distributions=known[None],
        offset=np.zeros(4),
        factors=np.ones(1),
        sigmoid=False,
    )
    similar = np.maximum(x @ x.T, 0) ** 8
    np.fill_diagonal(similar, 0)
    p = similar @ known / similar.sum(axis=1, keepdims=True)
    wanted = np.log(0.98 * p + 0.02 / 4)
    assert np.allclose(member.logits(views, np.arange(10), [0])[0], wanted, atol=1e-4)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A teacher with a member put beside its seats, as a model and as a committee on disk."""
    home = tmp_path_factory.mktemp("neighbours")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OPTIONS["text"], "encoders", ["hashing", "ngrams"])
        write_features(home / "features", records(300, labelled=0.3))
    data = Features.load(home / "features")
    model = storage.load(learned.teach(home / "features", home / "teacher"))
    found = taught.load(home / "teacher")
    views = light_views(model, data, found.made)
    rng, rows = np.random.default_rng(0), data.rows("train")
    fits = found.labelled.fits
    short = lambda x: x.astype(np.float16).astype(np.float32)  # noqa: E731
    dense = list(views.features)
    shares = {view: 1 / len(dense) for view in dense}
    vectors = np.hstack(
        [
            views.features[v][rows]
            / np.maximum(np.linalg.norm(views.features[v][rows], axis=1), 1e-12)[:, None]
            for v in dense
        ]
    ) / np.sqrt(len(dense))
    member = Neighbours(
        shares=shares,
        rows=rows,
        vectors=short(vectors),
        distributions=short(rng.dirichlet(np.ones(4), size=(fits, len(rows)))),
        offset=rng.normal(size=4),
        factors=np.full(fits, 0.7),
        sigmoid=False,
    )
    found = replace(found, committee=replace(found.committee, neighbours=member))
    put_into(model, found.made, found.committee)
    model.mix = Mix(network=0.0, committee=1.0)
    storage.save(model, home / "model")
    taught.save(found, home / "teacher")
    return home


def test_a_model_answers_as_its_committee_from_every_subset(places):
    data, found = Features.load(places / "features"), taught.load(places / "teacher")
    model = storage.load(places / "model")
    views = light_views(model, data, found.made)
    assert found.committee.neighbours is not None
    rows = np.flatnonzero(data.present.any(axis=1) & (data.splits != "train"))
    for subset in subsets(data.names):
        wanted = found.committee.logits(views.of(subset), rows=rows)
        answers = infer(model, data.arrays, data.present, rows, subset)
        has = ~np.isnan(answers.logits).any(axis=1)
        assert np.allclose(answers.logits[has], wanted[has], atol=2e-3)
        if len(subset) == 1:
            own = answers.modality_logits[subset[0]]
            assert np.allclose(own[has], wanted[has], atol=2e-3)


def test_all_fits_at_once_are_each_by_itself(places):
    data, found = Features.load(places / "features"), taught.load(places / "teacher")
    views = light_views(storage.load(places / "model"), data, found.made)
    rows = np.flatnonzero(views.anything)[:50]
    every = found.committee.every(views, rows)
    for fit in range(found.labelled.fits):
        assert np.allclose(every[fit], found.committee.logits(views, fit, rows), atol=1e-5)


def test_a_class_more_leaves_what_is_said_of_the_others(places):
    """The mean of the others is what a member without exemplars of the class says of it."""
    data, model = Features.load(places / "features"), storage.load(places / "model")
    before = infer(model, data.arrays, data.present).logits
    wide = widened(model, "crown", {}, known=range(4))
    after = infer(wide, data.arrays, data.present).logits
    at = wide.classes.index("crown")
    assert np.allclose(np.delete(after, at, axis=1), before, atol=1e-4, equal_nan=True)
    assert np.allclose(after[:, at], before.mean(axis=1), atol=1e-4, equal_nan=True)


def test_exemplars_of_a_class_leave_what_is_said_of_the_others(places):
    """The views that tell the new class still find the same neighbours."""
    data, model = Features.load(places / "features"), storage.load(places / "model")
    before = infer(model, data.arrays, data.present).logits
    dims = {
        view: len(own.mean) if isinstance(own, LinearView) else len(own.idf)
        for view, own in model.committee.views.items()
    }
    columns = {view: (np.full(dim, 0.01, np.float32), -1.0) for view, dim in dims.items()}
    wide = widened(model, "crown", columns, known=range(4))
    after = infer(wide, data.arrays, data.present).logits
    at = wide.classes.index("crown")
    assert np.allclose(np.delete(after, at, axis=1), before, atol=1e-3, equal_nan=True)
    told = data.present.any(axis=1)
    assert (after[told, at] != before[told].mean(axis=1)).any()


@pytest.mark.parametrize("sigmoid", [False, True])
def test_of_a_class_that_came_later_the_mean_is_said_or_nothing(sigmoid):
    """Where a record has any number of classes, what is said of others tells nothing of it."""
    member = Member(3, sigmoid=sigmoid)
    member.put(np.eye(2, dtype=np.float32), np.full((2, 3), 0.2, np.float32), np.zeros(3), 1.0)
    member.known, member.width = torch.tensor([0, 1, 3]), 4
    found = member(torch.eye(2))
    wanted = torch.zeros(2) if sigmoid else found[:, [0, 1, 3]].mean(dim=1)
    assert torch.allclose(found[:, 2], wanted)
    assert (found[:, [0, 1, 3]] < -1).all()
