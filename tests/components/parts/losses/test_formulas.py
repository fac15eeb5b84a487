"""Losses against loops in numpy and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.losses import cross_entropy, info_nce
from components.parts.network import ModelOutput

RNG = np.random.default_rng(0)


def unit(n, d):
    x = RNG.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def t(x):
    return torch.from_numpy(np.asarray(x, np.float32))


def test_info_nce_is_the_mean_over_rows_columns_and_pairs_of_present_records():
    n, names = 9, ("a", "b", "c")
    z = {m: unit(n, 4) for m in names}
    present = RNG.random((n, 3)) > 0.3
    scale = 1 / 0.07
    pairs = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        rows = [r for r in range(n) if present[r, i] and present[r, j]]
        total = 0.0
        for r in rows:
            forward = [scale * z[names[i]][r] @ z[names[j]][s] for s in rows]
            backward = [scale * z[names[i]][s] @ z[names[j]][r] for s in rows]
            total -= (
                log_softmax(forward)[rows.index(r)] + log_softmax(backward)[rows.index(r)]
            ) / 2
        pairs.append(total / len(rows))
    out = ModelOutput(
        logits=torch.zeros(n, 2),
        modality_logits={},
        embeddings={m: t(x) for m, x in z.items()},
        fused=torch.zeros(n, 4),
    )
    found = info_nce.build(info_nce.Config())(
        out, torch.zeros(n, 2), torch.zeros(n), torch.from_numpy(present)
    )
    assert found.item() == pytest.approx(np.mean(pairs), rel=1e-5)


def test_the_temperature_is_capped_and_learned():
    made = info_nce.build(info_nce.Config(temperature=0.01))
    with torch.no_grad():
        made.log_scale.fill_(math.log(500.0))
    z = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    out = ModelOutput(
        logits=torch.zeros(6, 2),
        modality_logits={},
        embeddings={"a": z, "b": z.roll(1, 0)},
        fused=z,
    )
    found = made(out, None, None, torch.ones(6, 2, dtype=torch.bool))
    assert found.item() == pytest.approx(
        info_nce.info_nce(z, z.roll(1, 0), torch.tensor(100.0)).item()
    )
    warm = info_nce.build(info_nce.Config())
    warm(out, None, None, torch.ones(6, 2, dtype=torch.bool)).backward()
    assert warm.log_scale.grad.item() != 0


def test_cross_entropy_is_weighted_and_counts_each_modality_where_it_is():
    n, k = 11, 4
    logits, own = RNG.normal(size=(n, k)), {m: RNG.normal(size=(n, k)) for m in "ab"}
    targets, weights = RNG.dirichlet(np.ones(k), n), RNG.random(n) * (RNG.random(n) > 0.3)
    present = RNG.random((n, 2)) > 0.3

    def loop(rows, values):
        lost = [
            -weights[r] * sum(targets[r, c] * log_softmax(values[r])[c] for c in range(k))
            for r in rows
        ]
        return sum(lost) / sum(weights[r] for r in rows)

    alone = [loop([r for r in range(n) if present[r, i]], own[m]) for i, m in enumerate("ab")]
    wanted = loop(range(n), logits) + 0.3 * np.mean(alone)
    out = ModelOutput(
        logits=t(logits),
        modality_logits={m: t(x) for m, x in own.items()},
        embeddings={},
        fused=t(logits),
    )
    made = cross_entropy.build(cross_entropy.Config(modality_weight=0.3))
    assert made(out, t(targets), t(weights), torch.from_numpy(present)).item() == pytest.approx(
        wanted, rel=1e-5
    )


def test_one_hot_even_weights_are_torchs_own_cross_entropy():
    logits, labels = torch.randn(7, 5), torch.randint(0, 5, (7,))
    found = cross_entropy.weighted_cross_entropy(
        logits, torch.nn.functional.one_hot(labels, 5).float(), torch.ones(7)
    )
    assert torch.allclose(found, torch.nn.functional.cross_entropy(logits, labels))


@pytest.mark.parametrize(
    ("name", "options"),
    [("info_nce", {"temperature": 0}), ("cross_entropy", {"modality_weight": -1})],
)
def test_wrong_options_say_what_is_wanted(name, options):
    with pytest.raises(UsageError, match=r"got .* wanted"):
        parts.configure("losses", name, options)
