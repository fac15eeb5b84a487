"""The contract of every projector; new files are picked up automatically."""

import pytest
import torch
from safetensors.torch import load, save

from components.parts import loading as parts
from tests.components.parts.batches import DIM, NAMES, B

WIDTHS = dict(zip(NAMES, (5, 12, 7), strict=True))


def projectors(name, **options):
    """Of three modalities, fitted where the part says how; maps are trained ones."""
    part = parts.load("projectors", name)
    chosen = parts.configure("projectors", name, options)
    made = {n: part.build(chosen, width=w, dim=DIM) for n, w in WIDTHS.items()}
    if hasattr(part, "fit"):
        rng = torch.Generator().manual_seed(3)
        vectors = {n: torch.randn(60, w, generator=rng).numpy() for n, w in WIDTHS.items()}
        part.fit(made, vectors, (torch.rand(60, 3, generator=rng) > 0.2).numpy())
    return made


def inputs():
    return {n: torch.randn(B, w) for n, w in WIDTHS.items()}


@pytest.mark.parametrize("name", parts.available("projectors"))
class TestProjector:
    def test_it_gives_vectors_of_the_shared_space_at_one_scale(self, name):
        given = inputs()
        for modality, projector in projectors(name).items():
            found = projector.eval()(given[modality])
            assert found.shape == (B, DIM)
            # As long as a layer norm makes them, so that fusion and heads need not know.
            assert torch.allclose(found.norm(dim=1), torch.tensor(DIM**0.5), rtol=1e-3)

    def test_a_record_does_not_depend_on_the_others(self, name):
        given = inputs()
        for modality, projector in projectors(name).items():
            whole = projector.eval()(given[modality])
            assert torch.allclose(projector(given[modality][3:4]), whole[3:4], atol=1e-5)

    def test_gradients_reach_what_is_learned(self, name):
        options = {"trained": True} if name == "maps" else {}
        for modality, projector in projectors(name, **options).items():
            (projector(inputs()[modality]) * torch.randn(B, DIM)).sum().backward()
            assert all(
                p.grad is not None and p.grad.isfinite().all() for p in projector.parameters()
            )

    def test_zeros_and_garbage_of_absent_rows_give_numbers(self, name):
        for modality, projector in projectors(name).items():
            assert projector(torch.zeros(2, WIDTHS[modality])).isfinite().all()

    def test_the_same_seed_gives_the_same_answer_and_a_copy_through_bytes_too(self, name):
        answers = []
        for _ in range(2):
            torch.manual_seed(7)
            made, given = projectors(name), inputs()
            answers.append({n: made[n].eval()(given[n]) for n in NAMES})
        assert all(torch.equal(answers[0][n], answers[1][n]) for n in NAMES)
        other = projectors(name)
        for modality, projector in other.items():
            projector.load_state_dict(load(save(made[modality].state_dict())))
            assert torch.equal(projector.eval()(given[modality]), answers[1][modality])
