"""Training with the families ``ssl/`` and ``balance/``: the loop's side."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.config.run import ModelConfig, Part, SslPart, TrainingConfig
from components.core.errors import UserError
from components.model import storage
from components.parts import loading as parts
from components.parts.network import Disturbance, ModelOutput
from components.training.balancing import own_parameters, scores, stepping
from components.training.checkpoint import Folder
from components.training.consistency import disturbed, online
from components.training.data import Pseudo, training_data
from components.training.loop import Control, fit
from components.training.objective import built
from components.training.suited import check
from tests.components.pods.pods import train_spec
from tests.components.training.test_loop import training_data_of
from tests.synthetic import records, write_features

CONFIG = TrainingConfig(batch_size=32, learning_rate=3e-3, seed=3, device="cpu")
EVERY = [
    *({"ssl": name, "balance": None} for name in parts.available("ssl")),
    *({"ssl": None, "balance": name} for name in parts.available("balance")),
]
TWO = {"ssl": {"name": "flexmatch", "decay": 0.9}, "balance": "feature_drop"}


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("f") / "features", records(160, labelled=0.3))


def trained(features, chosen, epochs=2, data=None, **options):
    torch.manual_seed(CONFIG.seed)
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    data = data or training_data(features, unlabelled=True)
    ssl, balance = chosen["ssl"], chosen["balance"]
    asked = online(
        SslPart.model_validate(ssl) if ssl else None,
        Part.model_validate(balance) if balance else None,
        model,
        data,
        None,
    )
    losses, _ = built({"cross_entropy": {}, "info_nce": {"weight": 0.1}}, 3, None)
    return model, fit(model, losses, data, CONFIG, epochs=epochs, online=asked, **options)


def same(a, b):
    return all(torch.equal(x, b.state_dict()[n]) for n, x in a.state_dict().items())


@pytest.fixture(scope="module")
def plain(features):
    return trained(features, {"ssl": None, "balance": None})[0]


@pytest.mark.parametrize("chosen", EVERY, ids=str)
def test_each_part_changes_the_weights_and_shows_its_figures(features, plain, chosen):
    model, fitted = trained(features, chosen)
    assert not same(model, plain)
    name = chosen["ssl"] or chosen["balance"]
    figures = [key for key in fitted.history[0] if key.startswith(f"{name}/")]
    assert figures
    assert all(np.isfinite(fitted.history[-1][key]) for key in figures)
    assert {n: p.requires_grad for n, p in model.named_parameters()} == {
        n: True for n, _ in model.named_parameters()
    }


class Killed(Exception):
    pass


@pytest.mark.parametrize("chosen", [TWO, EVERY[parts.available("ssl").index("momentum_teacher")]])
def test_killed_after_any_step_and_resumed_gives_the_same_weights(features, tmp_path, chosen):
    model, straight = trained(features, chosen)

    for kill in (1, straight.steps // 2 + 1):
        store = Folder(tmp_path / str(kill))

        def stop(_what, step, _total, kill=kill):
            if step == kill:
                raise Killed

        often = {"checkpoints": store, "key": "k", "control": Control(checkpoint_steps=1)}
        with pytest.raises(Killed):
            trained(features, chosen, progress=stop, **often)
        resumed, fitted = trained(features, chosen, checkpoints=store, key="k")
        assert fitted.resumed_from in (kill - 1, kill)
        assert fitted.history == straight.history
        assert same(model, resumed)


def test_the_teacher_is_the_running_mean_of_the_weights(features):
    """Oracle: the mean by hand, of the weights after each step."""
    seen = []

    class Watching(Folder):
        def read(self, name, key):  # noqa: ARG002
            return None

        def write(self, name, checkpoint, key):  # noqa: ARG002
            seen.append({n: t.clone() for n, t in checkpoint.state.items()})

    often = {"checkpoints": Watching(None), "key": "", "control": Control(checkpoint_steps=1)}
    trained(features, {"ssl": {"name": "fixmatch", "decay": 0.8}, "balance": None}, **often)
    name = "head.weight"
    mean = seen[0][f"model.{name}"]
    for state in seen[1:]:
        mean = 0.8 * mean + 0.2 * state[f"model.{name}"]
        torch.testing.assert_close(state[f"teacher/module.{name}"], mean)


def test_hidden_labels_do_not_reach_the_weights(features):
    """Every label that the run may not see may be any label."""
    data = training_data(features, unlabelled=True)
    garbage = data.labels.copy()
    others = np.setdiff1d(np.arange(len(garbage)), data.supervised)
    garbage[others] = (garbage[others] + 2) % 4
    one, _ = trained(features, TWO, data=data)
    two, _ = trained(features, TWO, data=dataclasses.replace(data, labels=garbage))
    assert same(one, two)


def test_unlabelled_records_are_those_without_a_visible_label_pseudo_labelled_or_not(features):
    free = features.rows("train", labelled=False)
    pseudo = Pseudo(
        ids=[features.ids[row] for row in free[:20]],
        labels=np.zeros(20, np.int64),
        weights=np.ones(20, np.float32),
        likeliest=None,
    )
    for data in (training_data(features), training_data(features, pseudo=pseudo)):
        assert data.hidden.tolist() == sorted(free)


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 3))
def test_rows_beside_are_all_used_before_one_comes_again(hidden, steps, epoch):
    data = dataclasses.replace(training_data_of(2, 0), hidden=np.arange(hidden))
    size = max(1, hidden // 3)
    found = data.beside(size, steps, 0, epoch)
    assert [len(rows) for rows in found] == [size] * steps
    counts = np.bincount(np.concatenate(found), minlength=hidden)
    assert counts.max() - counts.min() <= 1
    again = data.beside(size, steps, 0, epoch)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


def test_a_factor_scales_the_step_of_its_modality_alone(features):
    torch.manual_seed(0)
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    apart = own_parameters(model)
    assert set(apart) == {"facts", "image", "text"}
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    with stepping(apart, torch.tensor([1.0, 0.25, 0.0])), torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    for name, parameter in model.named_parameters():
        owner = next((m for m in apart if f".{m}" in f".{name}" and "head" not in name), "")
        moved = {"image": 0.25, "text": 0.0}.get("" if "absent" in name else owner, 1.0)
        torch.testing.assert_close(parameter.detach(), before[name] + moved)


def test_disturbed_views_stay_valid_and_leave_what_is_0(features):
    data = training_data(features, unlabelled=True)
    torch.manual_seed(0)
    model = storage.build(ModelConfig(dim=16), classes=features.classes, specs=features.specs)
    batch = data.batch(data.supervised, torch.device("cpu"))
    same_views = disturbed(model, batch.inputs, batch.present, Disturbance())
    assert all(same_views[v] is batch.inputs[v] for v in same_views)
    strong = disturbed(
        model, batch.inputs, batch.present, Disturbance(noise=0.1, drop=0.5, mix=0.2)
    )
    assert not any(torch.equal(strong[v].float(), batch.inputs[v].float()) for v in strong)
    assert torch.isfinite(model(strong, batch.present).logits).all()


def test_a_score_of_sets_is_over_the_classes_that_are_known(features):
    shape = ModelConfig(dim=16)
    model = storage.build(shape, classes=list("abc"), specs=features.specs, target="multi")
    logits = dict.fromkeys(model.names, torch.tensor([[0.0, 9.0, -9.0], [0.0, 0.0, 0.0]]))
    wanted = torch.tensor([[torch.nan, 1.0, torch.nan], [torch.nan] * 3])
    output = ModelOutput(logits=wanted, modality_logits=logits, embeddings={}, fused=wanted)
    batch = SimpleNamespace(weights=torch.tensor([1.0, 0.0]), present=torch.ones(2, 3))
    found = scores(model, output, wanted, batch)
    assert [x.item() for x in found] == pytest.approx([1 / (1 + np.exp(-9))] * 3)


@pytest.mark.parametrize(
    ("chosen", "labelled", "names", "said"),
    [
        ({"ssl": SslPart(name="fixmatch")}, 1.0, None, "without a visible label, and there are"),
        ({"ssl": SslPart(name="momentum_teacher", ratio=2)}, 0.5, None, "got ratio 2, wanted none"),
        ({"balance": Part(name="feature_drop")}, 0.5, ("text",), "wanted labels and two modal"),
    ],
)
def test_a_set_that_a_part_cannot_serve_is_refused(tmp_path, chosen, labelled, names, said):
    source = records(60, labelled=labelled)
    names = names or ("facts", "image", "text")
    features = write_features(tmp_path / "features", source, names=names)
    spec = train_spec(tmp_path / "features", **chosen)
    with pytest.raises(UserError, match=said):
        check(spec, features, None)
