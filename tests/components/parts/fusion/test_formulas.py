"""Fusions against loops in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf

from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.fusion import concat, gated

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
    found = module(parts, present).detach().numpy()
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
