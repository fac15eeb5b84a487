"""Modality masking with a rate for each modality."""

import pytest
import torch

from components.training.hiding import hide_modalities


def test_each_modality_is_hidden_at_its_own_rate_and_an_unnamed_one_never():
    torch.manual_seed(1)
    present = torch.ones(40_000, 3, dtype=torch.bool)
    hidden = hide_modalities(present, [0.7, 0.3, 0.0])
    assert hidden.float().mean(dim=0).tolist() == pytest.approx([0.7, 0.3, 0.0], abs=0.01)
    # The two are drawn apart: together as often as the product says.
    assert hidden[:, :2].all(dim=1).float().mean().item() == pytest.approx(0.21, abs=0.01)


def test_where_all_would_be_hidden_one_that_is_drawn_evenly_stays():
    torch.manual_seed(2)
    present = torch.ones(40_000, 2, dtype=torch.bool)
    present[:10_000, 1] = False
    hidden = hide_modalities(present, [0.8, 0.4])
    assert not hidden[:10_000].any()
    # Both would be hidden with .8 * .4; each stays in half of these.
    wanted = [0.8 - 0.32 / 2, 0.4 - 0.32 / 2]
    assert hidden[10_000:].float().mean(dim=0).tolist() == pytest.approx(wanted, abs=0.01)


def test_equal_rates_are_one_rate_to_the_bit():
    present = torch.rand(2000, 3, generator=torch.manual_seed(3)) > 0.2
    present[:, 0] = True
    torch.manual_seed(4)
    one = hide_modalities(present, 0.6)
    torch.manual_seed(4)
    assert torch.equal(hide_modalities(present, [0.6] * 3), one)
