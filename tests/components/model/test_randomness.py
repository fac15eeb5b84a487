"""Against one device, whose draws are cut into the rows of each process."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from components.model.randomness import narrowed, sliced

ROWS, CUTS = 7, [(0, 3), (3, 3), (3, 7)]
PRESENT = np.array(
    [
        [True, False],
        [True, True],
        [True, False],
        [True, False],
        [True, True],
        [True, True],
        [True, False],
    ]
)
DRAWS = {
    "dropout": lambda x: F.dropout(x, 0.4),
    "module": nn.Dropout(0.4),
    "in place": lambda x: F.dropout(x.clone(), 0.4, inplace=True),
    "switched off": lambda x: F.dropout(x, 0.4, training=False),
    "rand": lambda x: torch.rand(len(x), 2),
    "rand of a shape": lambda x: torch.rand((len(x), 2)),
    "rand of a named shape": lambda x: torch.rand(size=(len(x), 2), dtype=torch.float64),
    "randn": lambda x: torch.randn(x.shape),
    "rand like": torch.rand_like,
    "randn like": torch.randn_like,
}


def drawn(draw, x):
    """A draw, and what the generator gives after it."""
    found = draw(x)
    return found, torch.get_rng_state()


@pytest.mark.parametrize("name", list(DRAWS))
def test_rows_get_the_draws_of_one_device_and_generators_move_alike(name):
    x = torch.arange(1.0, 22).view(ROWS, 3)
    torch.manual_seed(0)
    whole, after = drawn(DRAWS[name], x)
    for start, stop in CUTS:
        torch.manual_seed(0)
        with sliced(PRESENT, start, stop):
            part, state = drawn(DRAWS[name], x[start:stop])
        assert torch.equal(part, whole[start:stop])
        assert torch.equal(state, after)


def test_within_a_modality_the_rows_are_those_that_have_it():
    x = torch.ones(ROWS, 3)
    torch.manual_seed(0)
    whole = F.dropout(x[PRESENT[:, 1]], 0.4)
    found = []
    for start, stop in CUTS:
        torch.manual_seed(0)
        with sliced(PRESENT, start, stop), narrowed(1) as needed:
            assert needed
            found.append(F.dropout(x[start:stop][PRESENT[start:stop, 1]], 0.4))
    assert torch.equal(torch.cat(found), whole)


def test_a_modality_that_nobody_has_is_not_needed_and_without_slices_none_is():
    with sliced(np.zeros((ROWS, 1), dtype=bool), 0, 3), narrowed(0) as needed:
        assert not needed
    with narrowed(0) as needed:
        assert not needed


def test_gradients_pass_the_mask():
    x = torch.ones(3, 4, requires_grad=True)
    torch.manual_seed(0)
    with sliced(PRESENT, 0, 3):
        found = F.dropout(x, 0.5)
    found.sum().backward()
    assert torch.equal(x.grad, found.detach())


def test_draws_that_are_not_of_rows_are_left_alone():
    torch.manual_seed(0)
    wanted = torch.rand(5), torch.rand(()), F.dropout(torch.ones(5, 2))
    torch.manual_seed(0)
    with sliced(PRESENT, 0, 3):
        found = torch.rand(5), torch.rand(()), F.dropout(torch.ones(5, 2))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
