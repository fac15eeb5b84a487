"""The contract of every fusion; new files are picked up automatically."""

import pytest
import torch
from safetensors.torch import load, save

from components.parts import loading as parts
from tests.components.parts.batches import DIM, NAMES, SUBSETS, B, present_with


def fusion(name, dropout=0.0):
    return parts.load("fusion", name).build(
        parts.configure("fusion", name, {}), names=NAMES, dim=DIM, dropout=dropout
    )


def fusion_inputs():
    return {n: torch.randn(B, DIM, requires_grad=True) for n in NAMES}


@pytest.mark.parametrize("name", parts.available("fusion"))
class TestFusion:
    @pytest.mark.parametrize("subset", SUBSETS)
    def test_any_subset_gives_a_finite_vector(self, name, subset):
        found = fusion(name)(fusion_inputs(), present_with(subset))
        assert found.shape == (B, DIM)
        assert torch.isfinite(found).all()

    def test_gradients_reach_parameters_and_present_parts(self, name):
        module, inputs = fusion(name), fusion_inputs()
        module(inputs, present_with((0, 1, 2))).square().sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())
        assert all(x.grad.abs().sum() > 0 for x in inputs.values())

    def test_a_record_does_not_depend_on_the_others(self, name):
        module, inputs = fusion(name).eval(), fusion_inputs()
        whole = module(inputs, present_with((0, 2)))
        one = module({n: x[3:4] for n, x in inputs.items()}, present_with((0, 2))[3:4])
        assert torch.allclose(whole[3:4], one, atol=1e-6)

    def test_the_same_seed_gives_the_same_answer_and_a_copy_through_bytes_too(self, name):
        answers = []
        for _ in range(2):
            torch.manual_seed(7)
            module, inputs = fusion(name).eval(), fusion_inputs()
            answers.append(module(inputs, present_with((1,))))
        assert torch.equal(*answers)
        other = fusion(name).eval()
        other.load_state_dict(load(save(module.state_dict())))
        assert torch.equal(other(inputs, present_with((1,))), answers[1])
