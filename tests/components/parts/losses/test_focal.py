"""The focal loss by its formula, and class weights that follow the loss."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from components.parts.losses import focal
from components.parts.network import ModelOutput
from components.parts.targets import multi

Z = torch.tensor([[2.0, -1.0, 0.3], [-0.5, 0.7, -2.0]])


def output(logits):
    return ModelOutput(logits=logits, modality_logits={}, embeddings={}, fused=logits)


def sets(classes=3):
    return multi.build(multi.Config(), classes=[str(c) for c in range(classes)])


def test_of_sets_positives_and_negatives_are_mirror_images():
    """Oracle: the formula cell by cell, in numpy."""
    y = torch.tensor([[1.0, 0.0, 1.0], [0.0, float("nan"), 1.0]])
    found = focal.focal_cells(Z, y, 2.0, several=True)
    p = 1 / (1 + np.exp(-Z.numpy().astype(float)))
    wanted = np.where(y.numpy() == 1, -((1 - p) ** 2) * np.log(p), -(p**2) * np.log(1 - p))
    wanted[1, 1] = 0
    assert np.allclose(found.numpy(), wanted, atol=1e-6)


def test_of_one_class_only_the_right_one_counts():
    y = F.one_hot(torch.tensor([1, 2]), 3).float()
    found = focal.focal_cells(Z, y, 1.5, several=False).sum(dim=1)
    p = Z.softmax(1)[[0, 1], [1, 2]]
    assert torch.allclose(found, -((1 - p) ** 1.5) * p.log(), atol=1e-6)


@pytest.mark.parametrize("target", [None, sets()])
def test_without_a_power_it_is_the_plain_cross_entropy(target):
    y = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    made = focal.build(focal.Config(gamma=0.0))
    found = made(output(Z), y, torch.tensor([1.0, 0.5]), torch.ones(2, 1).bool(), target)
    rows = (
        F.cross_entropy(Z, y, reduction="none")
        if target is None
        else F.binary_cross_entropy_with_logits(Z, y, reduction="none").mean(dim=1)
    )
    assert found.item() == pytest.approx(((rows[0] + rows[1] / 2) / 1.5).item(), rel=1e-5)


def trained(steps, balance=1.0):
    """Two classes of which the second goes on losing."""
    made = focal.build(focal.Config(gamma=0.0, balance=balance))
    logits = torch.tensor([[3.0, -3.0], [-3.0, -1.0]])
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    for _ in range(steps):
        made(output(logits), y, torch.ones(2), torch.ones(2, 1).bool(), sets(2))
    return made


def test_a_class_that_goes_on_losing_weighs_more_and_the_weights_have_mean_one():
    """Oracle: the running means by hand."""
    made = trained(60)
    own = [F.softplus(torch.tensor(-3.0)).item(), F.softplus(torch.tensor(1.0)).item()]
    running = [0.9**60 + (1 - 0.9**60) * x for x in own]
    assert made.running.tolist() == pytest.approx(running, rel=1e-4)
    weights = made._weights()
    assert weights.mean().item() == pytest.approx(1)
    assert (weights[1] / weights[0]).item() == pytest.approx(running[1] / running[0], rel=1e-4)
    assert trained(60, balance=0.0).running.tolist() == [1.0, 1.0], "off, nothing is kept"


def test_the_running_losses_are_part_of_a_checkpoint():
    made, again = trained(5), focal.build(focal.Config(gamma=0.0, balance=1.0))
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.running, made.running)


def test_the_weights_do_not_move_where_nothing_is_trained():
    made = trained(5).eval()
    before = made.running.clone()
    made(output(Z[:, :2]), torch.eye(2), torch.ones(2), torch.ones(2, 1).bool(), sets(2))
    assert torch.equal(made.running, before)
