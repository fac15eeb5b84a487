"""The contract of every balance part; new files are picked up automatically."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from components.parts import loading as parts
from tests.components.parts.batches import NAMES

SCORES = st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3)


def part(name):
    module = parts.load("balance", name)
    return module.build(parts.configure("balance", name, {}), modalities=NAMES)


def stepped(made, scores, done=0.0):
    before = made.on_batch()
    gradients = {name: [torch.ones(2)] for name in NAMES}
    return before, made.after_backward(torch.tensor(scores), gradients, done)


@pytest.mark.parametrize("name", parts.available("balance"))
class TestBalance:
    @given(st.lists(SCORES, min_size=1, max_size=4), st.floats(0, 1))
    def test_rates_and_factors_lie_between_0_and_1_whatever_is_missing(self, name, steps, done):
        made = part(name)
        for scores in steps:
            for found in stepped(made, scores, done):
                assert found is None or ((found >= 0) & (found <= 1)).all()

    @given(st.floats(1 / 64, 1, width=32))
    def test_modalities_that_are_equal_are_left_alone(self, name, score):
        made = part(name)
        stepped(made, [score] * 3)
        rates, factors = stepped(made, [score] * 3)
        assert rates is None or rates.abs().max() < 1e-6
        assert factors is None or torch.equal(factors, torch.ones(3))

    def test_the_one_that_is_ahead_is_held_back_and_no_other(self, name):
        made = part(name)
        stepped(made, [0.3, 0.9, 0.3])
        rates, factors = stepped(made, [0.3, 0.9, 0.3])
        held = rates if rates is not None else 1 - factors
        assert held[1] > 0
        assert held[[0, 2]].abs().max() == 0

    def test_what_it_remembers_is_in_its_state(self, name):
        made, other = part(name), part(name)
        stepped(made, [0.2, 0.7, 0.0])
        other.load_state_dict(load(save(made.state_dict())) if made.state_dict() else {})
        for a, b in zip(
            stepped(made, [0.5, 0.6, 0.4]), stepped(other, [0.5, 0.6, 0.4]), strict=True
        ):
            assert a is None or torch.equal(a, b)
