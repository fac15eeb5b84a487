"""Fusions against loops in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf, expit, logit, logsumexp, softmax
from sklearn.linear_model import Ridge

from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.fusion import bank, concat, gated, predicted, proxy, similarity, voting

NAMES = ("a", "b", "c")


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def some(n=5, dim=4):
    torch.manual_seed(0)
    present = torch.tensor(
        [[1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], dtype=torch.bool
    )
    return {m: torch.randn(n, dim) for m in NAMES}, present


def test_gated_is_attention_over_what_is_there():
    parts, present = some()
    module = gated.build(gated.Config(hidden=3), names=NAMES, dim=4, dropout=0.0).eval()
    found = module(parts, present).vector.detach().numpy()
    w = {k: v.detach().numpy().astype(float) for k, v in module.state_dict().items()}
    for row in range(5):
        here = [m for i, m in enumerate(NAMES) if present[row, i]]
        h = {m: parts[m][row].numpy().astype(float) for m in here}
        scores = np.array(
            [
                w["vector.weight"][0]
                @ np.tanh(w[f"score.{m}.weight"] @ h[m] + w[f"score.{m}.bias"])
                for m in here
            ]
        )
        g = np.exp(scores) / np.exp(scores).sum()
        z = sum(
            gi * (w[f"value.{m}.weight"] @ h[m] + w[f"value.{m}.bias"])
            for gi, m in zip(g, here, strict=True)
        )
        assert np.allclose(found[row], gelu(z), atol=1e-5)


def test_concat_is_one_hidden_layer_over_parts_and_presence():
    parts, present = some()
    module = concat.build(concat.Config(hidden=6), names=NAMES, dim=4, dropout=0.0).eval()
    found = module(parts, present).detach().numpy()
    w = {k: v.detach().numpy().astype(float) for k, v in module.state_dict().items()}
    x = np.concatenate([*(parts[m].numpy() for m in NAMES), present.numpy()], axis=1)
    hidden = x @ w["mix.0.weight"].T + w["mix.0.bias"]
    normed = (hidden - hidden.mean(1, keepdims=True)) / np.sqrt(hidden.var(1, keepdims=True) + 1e-5)
    wanted = (
        gelu(normed * w["mix.1.weight"] + w["mix.1.bias"]) @ w["mix.4.weight"].T + w["mix.4.bias"]
    )
    assert np.allclose(found, wanted, atol=1e-5)


@given(
    st.lists(st.floats(-30, 30), min_size=3, max_size=3),
    st.sampled_from([0.0, 0.2, 0.4]),
    st.integers(1, 7),
)
def test_gates_sum_to_one_keep_their_floor_and_are_zero_where_absent(scores, floor, mask):
    present = torch.tensor([[bool(mask & 1), bool(mask & 2), bool(mask & 4)]])
    g = gated.gate(torch.tensor([scores]), present, floor)[0]
    assert g.sum().item() == pytest.approx(1, abs=1e-5)
    assert not g[~present[0]].any()
    assert (g[present[0]] >= floor / present.sum() - 1e-6).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [("gated", {"hidden": 0}), ("gated", {"floor": 0.7}), ("concat", {"hidden": 0})],
)
def test_wrong_options_say_what_is_wanted(name, options):
    with pytest.raises(UsageError, match=r"got .* wanted"):
        parts.configure("fusion", name, options)


def weights_of(module):
    return {k: v.detach().numpy().astype(float) for k, v in module.state_dict().items()}


def linear(w, name, x):
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def test_similarity_is_attention_over_singles_and_pairs_that_count_as_they_agree():
    parts, present = some()
    module = similarity.build(similarity.Config(hidden=3), names=NAMES, dim=4, dropout=0.0).eval()
    whole = {m: torch.randn(40, 4) for m in NAMES}
    module.fit_parts(whole, torch.ones(40, 3, dtype=torch.bool))
    given = module(parts, present)
    w = weights_of(module)
    pairs = [(0, 1), (0, 2), (1, 2)]

    def cosine(a, b):
        return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)

    for row in range(5):
        h = [parts[m][row].numpy().astype(float) for m in NAMES]
        seen = [(i, h[i]) for i in range(3) if present[row, i]]
        for at, (i, j) in enumerate(pairs):
            if present[row, i] and present[row, j]:
                them = cosine(whole[NAMES[i]].numpy(), whole[NAMES[j]].numpy())
                alike = expit((cosine(h[i], h[j]) - them.mean()) / them.std(ddof=1))
                assert given.extras["agreement"][row, at].item() == pytest.approx(alike, abs=1e-5)
                joint = gelu(linear(w, f"joint.{at}", np.concatenate([h[i], h[j]])))
                seen.append((3 + at, alike * joint))
        scores = [w["vector.weight"][0] @ np.tanh(linear(w, f"score.{i}", f)) for i, f in seen]
        gates = softmax(scores)
        z = sum(g * linear(w, f"value.{i}", f) for g, (i, f) in zip(gates, seen, strict=True))
        assert np.allclose(given.vector[row].detach().numpy(), gelu(z), atol=1e-5)


@given(
    st.lists(st.floats(0.05, 3), min_size=3, max_size=3),
    st.integers(1, 7),
    st.sampled_from(["product", "mean", "vote"]),
    st.booleans(),
)
def test_votes_are_pools_of_opinions_over_what_is_there(weights, mask, rule, sigmoid):
    """Against loops in numpy and scipy."""
    rng = np.random.default_rng(mask)
    logits, heat = rng.normal(0, 2, (3, 4)), np.array([0.5, 1.0, 2.0])
    here = [i for i in range(3) if mask >> i & 1]
    g = np.array(weights)[here] / np.array(weights)[here].sum()
    own = [logits[i] / heat[i] for i in here]
    p = [expit(x) if sigmoid else softmax(x) for x in own]
    if rule == "product":
        odds = sum(gi * x for gi, x in zip(g, own, strict=True))
        wanted = expit(odds) if sigmoid else None
        if wanted is None:
            logs = sum(gi * np.log(x) for gi, x in zip(g, p, strict=True))
            wanted = np.exp(logs - logsumexp(logs))
    else:
        if rule == "vote":
            p = [(x > 0.5) * 1.0 if sigmoid else np.eye(4)[x.argmax()] for x in p]
        wanted = sum(gi * x for gi, x in zip(g, p, strict=True))
    module = voting.build(voting.Config(rule=rule), names=NAMES, dim=4, dropout=0.0)
    module.weigh(heat.tolist(), weights)
    given = {m: torch.tensor(logits[i : i + 1]).float() for i, m in enumerate(NAMES)}
    present = torch.tensor([[bool(mask >> i & 1) for i in range(3)]])
    found = module.vote(given, present, sigmoid=sigmoid)
    out = found.vector.double().numpy()[0]
    assert np.allclose(expit(out) if sigmoid else softmax(out), wanted, atol=1e-4)
    assert np.allclose(found.extras["weights"][0, here], g, atol=1e-5)


def test_modalities_of_a_vote_may_come_in_any_order():
    given = {m: torch.randn(6, 4) for m in NAMES}
    one = voting.build(voting.Config(), names=NAMES, dim=4, dropout=0.0)
    other = voting.build(voting.Config(), names=NAMES[::-1], dim=4, dropout=0.0)
    present = torch.rand(6, 3) > 0.3
    present[:, 1] = True
    found = [
        one.vote(given, present, sigmoid=False).vector,
        other.vote(given, present.flip(1), sigmoid=False).vector,
    ]
    assert torch.allclose(*found, atol=1e-5)


def test_the_first_prediction_is_ridge_regression_of_scikit_learn():
    rng = torch.Generator().manual_seed(0)
    parts = {m: torch.randn(60, 4, generator=rng) for m in NAMES}
    parts["b"] = parts["a"] @ torch.randn(4, 4, generator=rng) + 0.3 * parts["b"]
    module = predicted.build(predicted.Config(ridge=2.0), names=NAMES, dim=4, dropout=0.0).eval()
    everything = torch.ones(60, 3, dtype=torch.bool)
    module.fit_parts(parts, everything)
    x = np.concatenate([parts["a"].numpy(), parts["c"].numpy()], axis=1)
    wanted = Ridge(alpha=2.0).fit(x, parts["b"].numpy()).predict(x)
    found = module(parts, everything).extras["guess:b"].detach().numpy()
    assert np.allclose(found, wanted, atol=1e-4)
    lost = everything.clone()
    lost[:, 1] = False
    trust = module(parts, lost).extras["trust"]
    assert np.allclose(trust[:, [0, 2]], 1)
    unexplained = ((parts["b"].numpy() - wanted) ** 2).mean() / parts["b"].numpy().var(0).mean()
    assert np.allclose(trust[:, 1], 1 - max(unexplained, 0.05), atol=1e-4)


def test_what_is_filled_in_lies_between_the_constant_and_the_guess_by_its_trust():
    parts, _ = some(n=5)
    module = predicted.build(predicted.Config(), names=NAMES, dim=4, dropout=0.0).eval()
    lost = torch.tensor([[True, False, True]]).expand(5, 3)
    found = module(parts, lost)
    trust, guess = found.extras["trust"][:, 1:2], found.extras["guess:b"]
    stands = {**parts, "b": parts["b"] + trust * (guess - parts["b"])}
    assert torch.allclose(found.vector, module.mix(stands, lost), atol=1e-6)
    assert found.extras["real"].tolist() == lost.float().tolist()


def test_a_proxy_is_attention_over_the_tokens_of_what_is_there():
    """Against torch's own attention."""
    parts, present = some()
    module = proxy.build(proxy.Config(tokens=2), names=NAMES, dim=4, dropout=0.0).eval()
    filling, guess = module.filling, module(parts, present).extras["guess:a"]
    for row in range(5):
        here = [i for i in (1, 2) if present[row, i]]
        if not here:
            continue
        tokens = torch.cat([filling.split[i](parts[NAMES[i]][row]).view(2, 4) for i in here])
        found = torch.nn.functional.scaled_dot_product_attention(
            filling.query[:1], filling.key(tokens), filling.value(tokens)
        )
        assert torch.allclose(guess[row], filling.out[0](found[0]), atol=1e-5)


def test_a_bank_gives_the_parts_of_the_records_that_are_like_it():
    parts, present = some()
    module = bank.build(bank.Config(size=6), names=NAMES, dim=4, dropout=0.0).eval()
    whole = {m: torch.randn(6, 4) for m in NAMES}
    module.fit_parts(whole, torch.ones(6, 3, dtype=torch.bool))
    guess = module(parts, present).extras["guess:c"].detach().numpy()
    for row in range(5):
        here = [m for i, m in enumerate("ab") if present[row, i]]
        if here:
            scores = [parts[m][row].numpy() @ whole[m].numpy().T / 2 for m in here]
            wanted = softmax(np.mean(scores, axis=0)) @ whole["c"].numpy()
            assert np.allclose(guess[row], wanted, atol=1e-5)


def test_odds_of_a_mean_vote_are_those_of_its_probability():
    given = {m: torch.tensor([[x]]) for m, x in zip(NAMES, (0.0, 2.0, -1.0), strict=True)}
    module = voting.build(voting.Config(rule="mean"), names=NAMES, dim=4, dropout=0.0)
    found = module.vote(given, torch.ones(1, 3, dtype=torch.bool), sigmoid=True).vector
    assert found.item() == pytest.approx(logit(expit([0.0, 2.0, -1.0]).mean()), abs=1e-5)
