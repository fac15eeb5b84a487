import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.config.run import ModelConfig, TrainingConfig
from components.core.errors import Interrupted, UserError
from components.features.target import build_target
from components.model import storage
from components.model.inference import infer
from components.parts import loading as parts
from components.training.checkpoint import Folder, decode
from components.training.data import Pseudo, training_data
from components.training.hiding import hide_modalities
from components.training.loop import Control, Halfway, fit, placed
from components.training.objective import targets
from components.training.optimiser import adamw, lr_factor, schedule
from tests.synthetic import CLASSES, records, write_features

CONFIG = TrainingConfig(batch_size=32, learning_rate=3e-3, seed=3, device="cpu")


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(240, labelled=0.7))


def built_losses():
    names = {"cross_entropy": 1.0, "info_nce": 0.1}
    return {
        n: (w, parts.load("losses", n).build(parts.configure("losses", n, {})))
        for n, w in names.items()
    }


def trained(features, epochs=3, data=None, config=CONFIG, **options):
    torch.manual_seed(config.seed)
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    return model, fit(
        model, built_losses(), data or training_data(features), config, epochs=epochs, **options
    )


def same(a, b):
    return all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def whole(features):
    """An undisturbed training of three epochs."""
    return trained(features)


@given(st.data())
@settings(max_examples=12, deadline=None)
def test_killed_after_any_step_and_resumed_gives_the_same_weights(
    features, whole, tmp_path_factory, data
):
    """At any step between two checkpoints, even if the second run is killed too."""
    model, straight = whole
    store = Folder(tmp_path_factory.mktemp("c"))
    steps = data.draw(st.integers(1, 4))
    kills = sorted(data.draw(st.sets(st.integers(1, straight.steps), min_size=1, max_size=2)))
    resumed_from = []
    for kill in kills:

        def stop(_what, step, _total, kill=kill):
            if step == kill:
                raise Killed

        with pytest.raises(Killed):
            trained(
                features,
                checkpoints=store,
                key="k",
                progress=stop,
                control=Control(checkpoint_steps=steps),
            )
        found = store.read("train", "k")
        resumed_from.append(found.step if found else 0)
        assert kill - resumed_from[-1] <= steps
    resumed, fitted = trained(features, checkpoints=store, key="k")
    assert fitted.resumed_from == resumed_from[-1]
    assert fitted.steps == straight.steps
    assert fitted.history == straight.history
    assert same(model, resumed)


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_told_to_stop_it_ends_after_that_step_with_a_checkpoint(features, whole, tmp_path, at):
    model, straight = whole
    asked = iter(range(1, straight.steps + 1))
    with pytest.raises(Interrupted, match=f"after step {at} of {straight.steps}"):
        trained(
            features,
            checkpoints=Folder(tmp_path),
            key="k",
            control=Control(stop=lambda: next(asked) == at),
        )
    resumed, fitted = trained(features, checkpoints=Folder(tmp_path), key="k")
    assert fitted.resumed_from == at
    assert fitted.history == straight.history
    assert same(model, resumed)


def test_told_to_stop_after_its_last_step_it_is_done(features, whole):
    last = iter(range(1, whole[1].steps + 1))
    model, _ = trained(features, control=Control(stop=lambda: next(last) == whole[1].steps))
    assert same(model, whole[0])


def test_a_look_halfway_changes_no_weight(features, whole):
    def look(model):
        return float(np.nanmean(infer(model, features.arrays, features.present).logits))

    model, fitted = trained(features, halfway=Halfway(loss=look))
    assert same(model, whole[0])
    first, *others = fitted.history
    assert np.isfinite(first.pop("held_out"))
    assert [first, *others] == whole[1].history


@pytest.mark.parametrize(("loss", "epochs"), [(0.9, 4), (1.0, 2), (1.1, 2)])
def test_a_training_that_is_behind_halfway_ends_there(features, loss, epochs):
    _, fitted = trained(features, epochs=4, halfway=Halfway(loss=lambda _: loss, below=1.0))
    assert len(fitted.history) == epochs
    assert fitted.history[1]["held_out"] == loss


def test_told_to_stop_when_it_ends_halfway_it_is_done(features):
    halfway = Halfway(loss=lambda _: 2.0, below=1.0)
    steps = trained(features, epochs=4, halfway=halfway)[1].steps
    asked = iter(range(1, steps + 1))
    control = Control(stop=lambda: next(asked) == steps)
    assert trained(features, epochs=4, halfway=halfway, control=control)[1].steps == steps


@pytest.mark.parametrize("every", [1, 3])
def test_what_ended_halfway_ends_there_when_it_is_resumed(features, tmp_path, every):
    config = CONFIG.model_copy(update={"checkpoint_every": every})
    store = {"checkpoints": Folder(tmp_path), "key": "k", "epochs": 4, "config": config}
    first, behind = trained(features, **store, halfway=Halfway(loss=lambda _: 2.0, below=1.0))
    again, resumed = trained(features, **store, halfway=Halfway(loss=lambda _: 0.0, below=1.0))
    assert resumed.resumed_from == resumed.steps == behind.steps
    assert resumed.history == behind.history
    assert same(first, again)


def test_a_finished_training_resumes_without_a_step(features, tmp_path):
    first, _ = trained(features, checkpoints=Folder(tmp_path), key="k")
    again, fitted = trained(features, checkpoints=Folder(tmp_path), key="k")
    assert fitted.resumed_from == fitted.steps
    assert same(first, again)


@pytest.mark.parametrize("damage", ["other key", "cut", "empty"])
def test_a_strange_checkpoint_is_not_used(features, tmp_path, damage):
    path = tmp_path / "train.safetensors"
    trained(
        features,
        epochs=1,
        checkpoints=Folder(tmp_path),
        key="other" if damage == "other key" else "k",
    )
    if damage != "other key":
        path.write_bytes(path.read_bytes()[:1000] if damage == "cut" else b"")
    _, fitted = trained(features, epochs=1, checkpoints=Folder(tmp_path), key="k")
    assert fitted.resumed_from == 0


def test_the_same_seed_gives_the_same_weights_another_does_not(features):
    one, _ = trained(features, epochs=1)
    two, _ = trained(features, epochs=1)
    other, _ = trained(features, epochs=1, config=CONFIG.model_copy(update={"seed": 4}))
    assert same(one, two)
    assert not same(one, other)


def test_training_learns_and_leaves_the_callers_random_numbers(features):
    torch.manual_seed(11)
    storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    data = training_data(features)
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    state = torch.get_rng_state()
    fitted = fit(model, built_losses(), data, CONFIG, epochs=12)
    assert torch.equal(torch.get_rng_state(), state)
    assert fitted.history[-1]["loss"] < 0.6 * fitted.history[0]["loss"]
    assert set(fitted.history[0]) == {"loss", "cross_entropy", "info_nce", "learning_rate"}


def test_labels_that_nobody_may_see_are_never_read(features):
    """Rows outside the supervised ones may hold any label."""
    data = training_data(features, unlabelled=True)
    garbage = data.labels.copy()
    hidden = np.setdiff1d(
        np.arange(len(garbage)), np.concatenate([data.supervised, data.unlabelled])
    )
    garbage[hidden] = (garbage[hidden] + 1) % 4
    one, _ = trained(features, epochs=1, data=data)
    two, _ = trained(features, epochs=1, data=dataclasses.replace(data, labels=garbage))
    assert same(one, two)


def test_validation_and_test_labels_are_not_in_the_training_data(features):
    data = training_data(features, unlabelled=True)
    assert (data.labels[features.splits != "train"] == -1).all()
    used = np.concatenate([data.supervised, data.unlabelled])
    assert sorted(used) == sorted(features.rows("train"))


def test_a_visible_label_is_stronger_than_a_pseudo_label(features):
    row, free = features.rows("train", labelled=True)[0], features.rows("train", labelled=False)[0]
    wrong = (features.labels[row] + 1) % 4
    data = training_data(
        features,
        pseudo=Pseudo(
            ids=[features.ids[row], features.ids[free]],
            labels=np.array([wrong, wrong]),
            weights=np.array([0.5, 0.5], np.float32),
            likeliest=None,
        ),
    )
    assert (data.labels[row], data.weights[row]) == (features.labels[row], 1)
    assert (data.labels[free], data.weights[free]) == (wrong, 0.5)
    assert free in data.supervised


@pytest.mark.parametrize("alone", ["facts", "image", "text"])
def test_a_modality_absent_everywhere_is_no_trouble(features, alone):
    only = features.names.index(alone)
    data = training_data(features)
    present = np.zeros_like(data.present)
    present[:, only] = data.present[:, only]
    rows = data.supervised[present[data.supervised].any(axis=1)]
    model, fitted = trained(
        features, epochs=1, data=dataclasses.replace(data, present=present, supervised=rows)
    )
    assert all(np.isfinite(list(fitted.history[0].values())))
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_bf16_trains_to_nearly_the_same_loss(features):
    _, full = trained(features)
    model, half = trained(features, config=CONFIG.model_copy(update={"precision": "bf16"}))
    assert half.history != full.history
    assert half.history[-1]["loss"] == pytest.approx(full.history[-1]["loss"], rel=0.1)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_nothing_to_learn_from_is_said(features):
    data = dataclasses.replace(training_data(features), supervised=np.empty(0, np.int64))
    with pytest.raises(UserError, match="visible label"):
        trained(features, data=data)


def test_a_training_run_that_diverges_names_the_learning_rate(features):
    with pytest.raises(UserError, match="learning_rate"):
        trained(features, config=CONFIG.model_copy(update={"learning_rate": 1e30}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_said():
    with pytest.raises(UserError, match=r"training.device"):
        placed(CONFIG.model_copy(update={"device": "cuda"}))


@given(st.integers(2, 40), st.integers(0, 60), st.integers(2, 16), st.integers(0, 3))
def test_an_epoch_uses_every_row_once_and_spreads_labels_evenly(labelled, extra, size, epoch):
    data = training_data_of(labelled, extra)
    batches = data.batches(size, 0, epoch)
    assert sorted(np.concatenate(batches)) == list(range(labelled + extra))
    assert max(map(len, batches)) <= size + 1
    shares = [int((b < labelled).sum()) for b in batches]
    assert max(shares) - min(shares) <= 1
    assert all(
        np.array_equal(a, b) for a, b in zip(batches, data.batches(size, 0, epoch), strict=True)
    )


def training_data_of(labelled, extra):
    from components.training.data import TrainingData

    n = labelled + extra
    return TrainingData(
        names=("a",),
        train=np.arange(n),
        likeliest=None,
        arrays={},
        present=np.ones((n, 1), bool),
        labels=np.zeros(n, np.int64),
        weights=np.ones(n, np.float32),
        groups=np.arange(n),
        contents=np.zeros((n, 1), np.int64),
        supervised=np.arange(labelled),
        unlabelled=np.arange(labelled, n),
    )


def test_hiding_keeps_one_modality_and_hits_its_rate():
    torch.manual_seed(0)
    present = torch.rand(20_000, 3) > 0.3
    present[:, 0] = True
    hidden = hide_modalities(present, 0.4)
    assert not (hidden & ~present).any()
    assert (present & ~hidden).any(dim=1).all()
    full = present.all(dim=1)
    # Three present, each hidden with probability 0.4, but never all three: where all would be, one
    # is kept, which takes 0.4 ** 3 / 3 off the rate.
    assert hidden[full].float().mean().item() == pytest.approx(0.4 - 0.4**3 / 3, abs=0.01)
    assert not hidden[present.sum(dim=1) == 1].any()


def test_smoothed_targets_are_torchs_label_smoothing():
    target = build_target("single", CLASSES)
    labels, logits = torch.tensor([0, 2, 1]), torch.randn(3, 4)
    wanted = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    found = -(target.soft(labels, 0.1) * logits.log_softmax(1)).sum(1).mean()
    assert torch.allclose(found, wanted)
    assert torch.allclose(target.soft(torch.tensor([-1]), 0.1), torch.full((1, 4), 0.25))


def test_the_learning_rate_rises_falls_and_ends_at_zero():
    lrs = [lr_factor(s, 100) for s in range(101)]
    assert max(lrs) == 1.0
    assert lrs[-1] == pytest.approx(0)
    assert lrs[:5] == sorted(lrs[:5])
    assert lrs[5:] == sorted(lrs[5:], reverse=True)


@pytest.mark.parametrize("done", [0, 3, 39])
def test_a_schedule_continues_where_an_interrupted_run_stopped(done):
    def lrs(done):
        optimiser = adamw([("w", torch.nn.Parameter(torch.ones(2)))], lr=0.1, weight_decay=0.0)
        given = schedule(optimiser, 40)
        if done:
            given = schedule(optimiser, 40, done=done)
        for _ in range(done, 40):
            yield given.get_last_lr()[0]
            optimiser.step()
            given.step()

    assert list(lrs(done)) == [0.1 * lr_factor(step, 40) for step in range(done, 40)]


def test_matrices_decay_and_vectors_do_not():
    """Oracle: the update of Loshchilov & Hutter 2019, algorithm 2, in numpy."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    wanted = {n: p.detach().double().numpy().copy() for n, p in model.named_parameters()}
    m, v = ({n: np.zeros_like(p) for n, p in wanted.items()} for _ in range(2))
    optimiser = adamw(model.named_parameters(), lr=0.01, weight_decay=0.1)
    for t in range(1, 6):
        model.zero_grad()
        model(torch.randn(6, 4)).square().mean().backward()
        for name, parameter in model.named_parameters():
            g = parameter.grad.double().numpy()
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.98 * v[name] + 0.02 * g**2
            decayed = wanted[name] * (1 - 0.01 * (0.1 if parameter.ndim > 1 else 0.0))
            moved = m[name] / (1 - 0.9**t) / (np.sqrt(v[name] / (1 - 0.98**t)) + 1e-8)
            wanted[name] = decayed - 0.01 * moved
        optimiser.step()
    for name, parameter in model.named_parameters():
        assert parameter.detach().numpy() == pytest.approx(wanted[name], abs=1e-5)


def test_a_checkpoint_holds_no_pickle(features, tmp_path):
    path = tmp_path / "train.safetensors"
    trained(features, epochs=1, checkpoints=Folder(tmp_path), key="k")
    found = decode(path.read_bytes(), "k")
    assert found.epoch == 1
    assert any(name.startswith("optimiser/exp_avg_sq/") for name in found.state)
    assert b"pickle" not in path.read_bytes()


def test_a_soft_label_takes_the_place_of_the_coded_one(features):
    free = features.rows("train", labelled=False)[0]
    likeliest = (np.array([[2, 0]]), np.array([[0.75, 0.25]], np.float32))
    pseudo = Pseudo(
        ids=[features.ids[free]], labels=np.array([2]), weights=np.array([0.5], np.float32),
        likeliest=likeliest,
    )  # fmt: skip
    data = training_data(features, pseudo=pseudo)
    torch.manual_seed(0)
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    rows = np.array([data.supervised[0], free])
    found = targets(model, data.batch(rows, torch.device("cpu")), 0.0)
    assert found[1].tolist() == [0.25, 0.0, 0.75, 0.0]
    assert found[0].argmax() == features.labels[rows[0]]
