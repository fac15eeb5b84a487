"""What a view's maps keep, and that they answer as the whole maps would."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from components.model.committee import LinearView, SparseView

SEATS, DIM, SHORT = 3, 12, 4


@pytest.mark.parametrize("width", [1, 50])
def test_maps_answer_as_whole_ones_in_few_numbers(width):
    """With many classes rows are shortened first; a seat that does not read the view has none."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(DIM, SHORT)))[0]
    basis = basis.astype(np.float16).astype(np.float32)
    weight = rng.normal(size=(SHORT, SEATS, width)).astype(np.float32)
    weight[:, 1] = 0
    bias = rng.normal(size=(SEATS, width)).astype(np.float32)
    view = LinearView(DIM, width)
    view.put_maps(basis, weight, bias)
    light = torch.from_numpy(rng.uniform(-1, 1, size=(5, DIM)).astype(np.float32))
    rows = light.numpy() / np.sqrt(DIM)
    wanted = np.einsum("nd,dk,ksw->nsw", rows, basis, weight) + bias
    assert np.allclose(view(light).numpy(), wanted.reshape(5, -1), atol=1e-5)
    kept = view.weight.numel() + view.basis.numel()
    assert kept == min(DIM * 2 * width, DIM * SHORT + SHORT * 2 * width)


def test_a_view_without_any_weight_keeps_no_map_and_adds_its_bias():
    view, bias = LinearView(DIM, 2), np.arange(6, dtype=np.float32).reshape(SEATS, 2)
    view.put_maps(np.eye(DIM, dtype=np.float32), np.zeros((DIM, SEATS, 2), np.float32), bias)
    assert view.weight.numel() == 0
    assert view(torch.ones(2, DIM)).numpy().tolist() == [bias.ravel().tolist()] * 2


def test_a_sparse_view_that_no_head_uses_adds_its_bias():
    counts, bias = csr_array(np.eye(DIM, dtype=np.float32)), np.ones((SEATS, 2), np.float32)
    view = SparseView(2)
    view.put(np.ones(DIM, np.float32), np.arange(DIM))
    view.put_maps(np.eye(DIM, dtype=np.float32), np.zeros((DIM, SEATS, 2), np.float32), bias)
    assert view.maps().logits(counts).tolist() == [[1.0] * 2 * SEATS] * DIM
