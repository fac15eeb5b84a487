"""The contract of every loss; new files are picked up automatically."""

import functools
import inspect

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from components.parts import loading as parts
from components.parts.network import Likeness, ModelOutput
from tests.components.parts.batches import DIM, NAMES, SUBSETS, B, K, present_with


def output():
    unit = functools.partial(nn.functional.normalize, dim=1)
    leaves = [torch.randn(B, size, requires_grad=True) for size in (K, K, K, K, DIM, DIM, DIM)]
    return leaves, ModelOutput(
        logits=leaves[0],
        modality_logits=dict(zip(NAMES, leaves[1:4], strict=True)),
        embeddings={n: unit(x) for n, x in zip(NAMES, leaves[4:], strict=True)},
        fused=unit(torch.randn(B, DIM)),
        extras={
            **{f"guess:{n}": torch.randn(B, DIM, requires_grad=True) for n in NAMES},
            **{f"miss:{n}": torch.rand(B, 2, requires_grad=True) for n in NAMES},
        },
    )


def loss(name):
    return parts.load("losses", name).build(parts.configure("losses", name, {}))


def called(made, out, want, weights, present, frozen=None, target=None):
    """A loss of a batch, with frozen vectors and the target where it asks for them."""
    asks = inspect.signature(made.forward if isinstance(made, nn.Module) else made).parameters
    more = {"frozen": frozen, "target": target}
    return made(out, want, weights, present, **{n: x for n, x in more.items() if n in asks})


def frozen():
    """Of audio nothing: all its encoders are trained."""
    dims = zip(NAMES, (0, 7, 3), strict=True)
    return {name: torch.randn(B, dim) for name, dim in dims}


def targets():
    return torch.randn(B, K).softmax(1), torch.rand(B).clamp_min(0.1)


@pytest.mark.parametrize("name", parts.available("losses"))
class TestLoss:
    @pytest.mark.parametrize("subset", SUBSETS)
    def test_any_subset_gives_a_finite_number_with_gradients(self, name, subset):
        leaves, out = output()
        value = called(loss(name), out, *targets(), present_with(subset), frozen())
        assert value.shape == ()
        assert torch.isfinite(value)
        assert value >= -1e-6
        value.backward()
        assert all(x.grad is None or torch.isfinite(x.grad).all() for x in leaves)

    def test_sets_of_which_some_classes_are_unknown_give_finite_numbers(self, name):
        leaves, out = output()
        sets = parts.load("targets", "multi")
        target = sets.build(sets.Config(), classes=list("abcde"))
        labels = torch.randint(-1, 2, (B, K))
        labels[0], labels[1] = -1, torch.tensor([-1, -1, 1, 0, 0])
        weights = (labels >= 0).any(dim=1).float()
        want, made = target.soft(labels, 0.0), loss(name)
        value = called(made, out, want, weights, present_with((0, 1, 2)), frozen(), target)
        value.backward()
        assert torch.isfinite(value)
        assert all(x.grad is None or torch.isfinite(x.grad).all() for x in leaves)

    def test_absent_rows_change_neither_value_nor_gradient(self, name):
        _, out = output()
        present = torch.rand(B, 3) > 0.4
        present[:, 0] = True
        want, made, fixed = targets(), loss(name), frozen()
        value = called(made, out, *want, present, fixed)
        garbage = ModelOutput(
            logits=out.logits,
            modality_logits={
                n: x + ~present[:, i, None] * 99.0
                for i, (n, x) in enumerate(out.modality_logits.items())
            },
            embeddings={
                n: x + ~present[:, i, None] * 99.0
                for i, (n, x) in enumerate(out.embeddings.items())
            },
            fused=out.fused,
            extras=out.extras,
        )
        spoiled = {n: x + ~present[:, i, None] * 9.0 for i, (n, x) in enumerate(fixed.items())}
        assert torch.allclose(called(made, garbage, *want, present, spoiled), value, rtol=1e-4)

    def test_rows_without_weight_may_have_any_target(self, name):
        _, out = output()
        want, weights = targets()
        weights[:5] = 0
        other = want.clone()
        other[:5] = torch.randn(5, K).softmax(1)
        made, present, fixed = loss(name), present_with((0, 1)), frozen()
        assert torch.equal(
            called(made, out, want, weights, present, fixed),
            called(made, out, other, weights, present, fixed),
        )

    def test_no_labels_and_no_pairs_give_zero_that_can_be_stepped(self, name):
        _, out = output()
        made = loss(name)
        value = called(made, out, targets()[0], torch.zeros(B), present_with((1,)))
        assert value.item() == 0
        value.backward()

    def test_the_slope_is_that_of_the_value(self, name):
        made, (_, out), want, present = loss(name), output(), targets(), present_with((0, 1, 2))
        fixed = frozen()
        towards = torch.randn_like(out.embeddings["text"])
        moved_logits = torch.randn_like(out.logits)

        def at(step):
            shown = {"modality_logits": out.modality_logits, "fused": out.fused}
            vectors = out.embeddings | {"text": out.embeddings["text"] + step * towards}
            moved = ModelOutput(
                logits=out.logits + step * moved_logits, embeddings=vectors, **shown
            )
            return called(made, moved, *want, present, fixed)

        step = torch.tensor(0.0, requires_grad=True)
        (slope,) = torch.autograd.grad(at(step), step)
        assert slope.item() == pytest.approx(
            (at(1e-3) - at(-1e-3)).item() / 2e-3, rel=2e-2, abs=2e-3
        )

    def test_parameters_survive_bytes(self, name):
        made = loss(name)
        if isinstance(made, nn.Module):
            (_, out), want, other = output(), targets(), loss(name)
            other.load_state_dict(load(save(made.state_dict())))
            both, fixed = present_with((0, 1)), frozen()
            assert torch.equal(
                called(other, out, *want, both, fixed), called(made, out, *want, both, fixed)
            )

    def test_a_record_meets_none_that_is_alike(self, name):
        """In a batch of one group without labels only a record's own vectors pull at each other."""
        made, (_, out), fixed = loss(name), output(), frozen()
        asks = inspect.signature(made.forward if isinstance(made, nn.Module) else made).parameters
        if "likeness" not in asks:
            return
        likeness = Likeness(groups=torch.zeros(B), contents=torch.arange(3 * B).view(B, 3))
        more = {"frozen": fixed} if "frozen" in asks else {}
        for vectors in out.embeddings.values():
            vectors.retain_grad()
        value = made(
            out, targets()[0], torch.zeros(B), present_with((1, 2)), likeness=likeness, **more
        )
        value.backward()
        image, text = out.embeddings["image"], out.embeddings["text"]
        pull = torch.zeros_like(image) if image.grad is None else image.grad
        along = (pull * text).sum(dim=1, keepdim=True) * text
        assert torch.allclose(pull, along.detach(), atol=1e-6)
