"""Search figures against torchmetrics and a loop."""

import numpy as np
import pytest
import torch
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMRR

from components.evaluation.retrieval import every_pair, first_hits, retrieval


def _unit(shape, seed):
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _case(seed, n=60, groups=25):
    rng = np.random.default_rng(seed)
    g = rng.integers(0, groups, n)
    centre = _unit((groups, 6), seed + 1)[g]
    image, text = centre + 0.8 * _unit((n, 6), seed + 2), centre + 0.8 * _unit((n, 6), seed + 3)
    return image.astype(np.float32), text.astype(np.float32), g


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_torchmetrics(seed):
    image, text, g = _case(seed)
    q, n = 40, len(g)
    scores = torch.tensor(text[:q] @ image.T)
    hits = torch.tensor(g[:q, None] == g[None, :])
    where = torch.arange(q)[:, None].expand(q, n)
    found = retrieval(text[:q], image, g[:q], g)
    for k in (1, 5, 10):
        oracle = RetrievalHitRate(top_k=k)(scores.flatten(), hits.flatten(), where.flatten())
        assert found.recall[k] == pytest.approx(float(oracle))
    assert found.mrr == pytest.approx(
        float(RetrievalMRR()(scores.flatten(), hits.flatten(), where.flatten()))
    )
    assert found.n == q


def test_ranks_are_those_of_a_loop_and_missing_groups_are_left_out():
    image, text, g = _case(9)
    gallery = np.flatnonzero(g % 4 != 0)
    ranks = first_hits(text, image[gallery], g, g[gallery])
    for row in range(len(g)):
        order = sorted(gallery, key=lambda c: -float(text[row] @ image[c]))
        places = [i + 1 for i, c in enumerate(order) if g[c] == g[row]]
        assert ranks[row] == (places[0] if places else 0)
    assert retrieval(text, image[gallery], g, g[gallery]).n == np.sum(g % 4 != 0)


def test_vectors_that_are_all_alike_find_nothing():
    same = np.ones((30, 4), dtype=np.float32) / 2
    found = retrieval(same, same, np.arange(30), np.arange(30))
    assert found.recall[10] == 0
    assert found.mrr == pytest.approx(1 / 30)


def test_every_ordered_pair_uses_only_records_that_have_the_modality():
    image, text, g = _case(4)
    present = {"image": np.arange(60) % 2 == 0, "text": np.arange(60) % 3 == 0}
    found = every_pair({"image": image, "text": text}, present, [f"g{i}" for i in g])
    assert list(found) == ["image->text", "text->image"]
    q, c = np.flatnonzero(present["text"]), np.flatnonzero(present["image"])
    assert found["text->image"] == retrieval(text[q], image[c], g[q], g[c])


def test_nothing_to_find_has_no_figure():
    image, text, g = _case(5)
    found = retrieval(text, image, g, g + 100)
    assert found.n == 0
    assert np.isnan(found.mrr)


def test_twenty_thousand_by_twenty_thousand_fits_in_chunks():
    """The whole score matrix would be 1.6 GB."""
    x = _unit((20_000, 64), 1)
    assert retrieval(x, x, np.arange(20_000), np.arange(20_000)).recall[1] == 1
