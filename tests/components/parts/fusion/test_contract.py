"""The contract of every fusion; new files are picked up automatically."""

import pytest
import torch
from safetensors.torch import load, save

from components.parts import loading as parts
from components.parts.network import FitsParts, Fused
from tests.components.parts.batches import DIM, NAMES, SUBSETS, B, present_with


def fusion(name, dropout=0.0):
    return parts.load("fusion", name).build(
        parts.configure("fusion", name, {}), names=NAMES, dim=DIM, dropout=dropout
    )


def vector(found):
    return found.vector if isinstance(found, Fused) else found


def extras(found):
    return found.extras if isinstance(found, Fused) else {}


def fusion_inputs():
    return {n: torch.randn(B, DIM, requires_grad=True) for n in NAMES}


@pytest.mark.parametrize("name", parts.available("fusion"))
class TestFusion:
    @pytest.mark.parametrize("subset", SUBSETS)
    def test_any_subset_gives_a_finite_vector(self, name, subset):
        found = vector(fusion(name)(fusion_inputs(), present_with(subset)))
        assert found.shape == (B, DIM)
        assert torch.isfinite(found).all()

    def test_gradients_reach_parameters_and_present_parts(self, name):
        module, inputs = fusion(name), fusion_inputs()
        found = module(inputs, present_with((0, 1, 2)))
        learned = [x for x in extras(found).values() if x.requires_grad]  # a loss may read them
        sum([x.square().sum() for x in learned], vector(found).square().sum()).backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())
        assert all(x.grad.abs().sum() > 0 for x in inputs.values())

    def test_a_record_does_not_depend_on_the_others(self, name):
        module, inputs = fusion(name).eval(), fusion_inputs()
        whole = module(inputs, present_with((0, 2)))
        one = module({n: x[3:4] for n, x in inputs.items()}, present_with((0, 2))[3:4])
        assert torch.allclose(vector(whole)[3:4], vector(one), atol=1e-6)
        for key, values in extras(whole).items():
            assert values.shape[0] == B
            assert torch.allclose(values[3:4], extras(one)[key], atol=1e-5)

    def test_the_same_seed_gives_the_same_answer_and_a_copy_through_bytes_too(self, name):
        answers = []
        for _ in range(2):
            torch.manual_seed(7)
            module, inputs = fusion(name).eval(), fusion_inputs()
            answers.append(vector(module(inputs, present_with((1,)))))
        assert torch.equal(*answers)
        other = fusion(name).eval()
        other.load_state_dict(load(save(module.state_dict())))
        assert torch.equal(vector(other(inputs, present_with((1,)))), answers[1])

    def test_weights_of_what_is_there_sum_to_one(self, name):
        found = fusion(name).eval()(fusion_inputs(), present_with((0, 1)))
        if "weights" in extras(found):
            weights = extras(found)["weights"]
            assert torch.allclose(weights.sum(dim=1), torch.ones(B), atol=1e-5)
            assert not weights[:, 2].any()

    def test_training_records_may_set_its_buffers_and_one_record_is_enough(self, name):
        module, inputs = fusion(name), fusion_inputs()
        if isinstance(module, FitsParts):
            given = {n: x.detach() for n, x in inputs.items()}
            for count in (B, 1, 0):
                one = {n: x[:count] for n, x in given.items()}
                with torch.no_grad():
                    fusion(name).fit_parts(one, torch.rand(count, 3) > 0.4)
                    module.fit_parts(one, present_with((0, 1, 2))[:count])
        assert torch.isfinite(vector(module(inputs, present_with((0, 2))))).all()
