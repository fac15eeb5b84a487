"""The rules of balance parts against numpy."""

import numpy as np
import pytest
import torch

from components.parts.balance import feature_drop, gradient_modulation
from components.parts.balance._ahead import ahead
from tests.components.parts.batches import NAMES


def test_how_far_ahead_is_the_score_over_the_mean_of_the_others():
    scores = [0.8, 0.4, 0.2]
    wanted = [0.8 / 0.3, 0.4 / 0.5, 0.2 / 0.6]
    assert ahead(torch.tensor(scores)).tolist() == pytest.approx(wanted)
    # A modality without a score is among no others.
    assert ahead(torch.tensor([0.8, 0.0, 0.2])).tolist() == pytest.approx([4.0, 1.0, 0.25])
    assert ahead(torch.tensor([0.8, 0.0, 0.0])).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("done", [0.0, 0.25, 1.0])
def test_the_step_of_the_modality_ahead_shrinks_and_the_effect_fades(done):
    found = gradient_modulation.factors(torch.tensor([0.9, 0.3]), 0.3, done)
    assert found.tolist() == pytest.approx([1 - (1 - done) * np.tanh(0.3 * 3.0), 1.0])


def test_a_modality_is_dropped_by_how_far_it_was_ahead():
    made = feature_drop.build(feature_drop.Config(a=0.5, memory=0.9), modalities=NAMES)
    assert made.on_batch().tolist() == [0.0, 0.0, 0.0]
    made.after_backward(torch.tensor([0.6, 0.2, 0.2]), {}, 0.0)
    assert made.on_batch().tolist() == pytest.approx([np.tanh(0.5 * 2), 0.0, 0.0])
    made.after_backward(torch.tensor([0.1, 0.0, 0.2]), {}, 0.0)
    mean = np.array([0.9 * 0.6 + 0.1 * 0.1, 0.2, 0.9 * 0.2 + 0.1 * 0.2])
    wanted = np.tanh(0.5 * max(mean[0] / mean[1:].mean() - 1, 0))
    assert made.on_batch()[0].item() == pytest.approx(wanted, rel=1e-6)
