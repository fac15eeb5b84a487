"""The contract of every ssl part; new files are picked up automatically."""

import functools

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from components.features.target import build_target
from components.parts import loading as parts
from components.parts.network import Likeness, ModelOutput
from components.parts.online import Answered, Setting
from tests.components.parts.batches import DIM, NAMES, SUBSETS, B, K, present_with

CLASSES = [str(number) for number in range(K)]


def setting(target="single", names=NAMES, records=40):
    return Setting(modalities=names, target=build_target(target, CLASSES), records=records)


def part(name, **given):
    module = parts.load("ssl", name)
    return module.build(parts.configure("ssl", name, {}), setting=setting(**given))


def output(*, grows):
    unit = functools.partial(nn.functional.normalize, dim=1)
    sizes = (K, *[K] * 3, *[DIM] * 3)
    leaves = [(4 * torch.randn(B, size)).requires_grad_(grows) for size in sizes]
    return leaves, ModelOutput(
        logits=leaves[0],
        modality_logits=dict(zip(NAMES, leaves[1:4], strict=True)),
        embeddings={n: unit(x) for n, x in zip(NAMES, leaves[4:], strict=True)},
        fused=unit(torch.randn(B, DIM)),
    )


def answered(present=None):
    leaves, student = output(grows=True)
    taught, teacher = output(grows=True)
    return (leaves, taught), Answered(
        student=student,
        teacher=teacher,
        present=present_with((0, 1, 2)) if present is None else present,
        numbers=torch.randperm(40)[:B],
        likeness=Likeness(groups=torch.arange(B), contents=torch.arange(3 * B).reshape(B, 3)),
        target=build_target("single", CLASSES),
    )


@pytest.mark.parametrize("name", parts.available("ssl"))
class TestSsl:
    @pytest.mark.parametrize("subset", SUBSETS)
    def test_any_subset_gives_finite_terms_with_gradients(self, name, subset):
        (leaves, _), given = answered(present_with(subset))
        made = part(name)
        found = made(given)
        assert set(found) == {*made.terms, *made.figures}
        total = sum(found[term] for term in made.terms)
        assert total.shape == ()
        assert torch.isfinite(total)
        total.backward()
        assert all(x.grad is None or torch.isfinite(x.grad).all() for x in leaves)
        assert all(torch.isfinite(found[figure]) for figure in made.figures)

    def test_what_it_remembers_is_in_its_state(self, name):
        """After some steps a copy of the state goes on as the part itself does."""
        made, steps = part(name), [answered()[1] for _ in range(4)]
        for step in steps[:3]:
            made(step)
        other = part(name)
        other.load_state_dict(load(save(made.state_dict())) if made.state_dict() else {})
        for a, b in zip(made(steps[3]).values(), other(steps[3]).values(), strict=True):
            assert torch.equal(a, b)
        for what, state in made.state_dict().items():
            assert torch.equal(state, other.state_dict()[what])

    def test_it_refuses_in_half_a_sentence_what_it_cannot_serve(self, name):
        module, config = parts.load("ssl", name), parts.configure("ssl", name, {})
        assert module.refuses(config, setting()) is None
        nothing = Setting(modalities=NAMES[:1], target=build_target("none", []), records=0)
        assert module.refuses(config, nothing)[0].islower()

    def test_its_losses_keep_a_share_and_its_views_are_disturbances(self, name):
        made = part(name)
        assert 0 <= made.kept <= 1
        assert made.records in ("unlabelled", "batch")
        assert all(0 <= view.drop < 1 for view in (made.weak, made.strong))
