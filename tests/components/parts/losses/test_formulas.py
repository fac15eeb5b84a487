"""Losses against loops in numpy and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, softmax

from components.core.errors import UsageError
from components.parts import loading as parts
from components.parts.losses import (
    completion,
    cross_entropy,
    info_nce,
    modality_heads,
    neighbourhood,
    sdm,
    sigmoid_pairs,
    soft_contrast,
    supervised_contrast,
    unimodal_targets,
)
from components.parts.network import Likeness, ModelOutput

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


def test_modality_heads_are_a_weighted_sum_over_modalities():
    n, k = 9, 3
    own, labels = {m: RNG.normal(size=(n, k)) for m in "ab"}, RNG.integers(k, size=n)
    weights, present = RNG.random(n) + 0.1, np.ones((n, 2), bool)
    present[:4, 1] = False
    lost = {m: -log_softmax(x, axis=1)[np.arange(n), labels] for m, x in own.items()}
    wanted = 0.5 * np.average(lost["a"], weights=weights)
    wanted += np.average(lost["b"][4:], weights=weights[4:])
    out = ModelOutput(
        logits=torch.zeros(n, k),
        modality_logits={m: t(x) for m, x in own.items()},
        embeddings={},
        fused=torch.zeros(n, k),
    )
    made = modality_heads.build(modality_heads.Config(each={"a": 0.5}))
    found = made(out, t(np.eye(k)[labels]), t(weights), torch.from_numpy(present))
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_one_hot_even_weights_are_torchs_own_cross_entropy():
    logits, labels = torch.randn(7, 5), torch.randint(0, 5, (7,))
    found = cross_entropy.weighted_cross_entropy(
        logits, torch.nn.functional.one_hot(labels, 5).float(), torch.ones(7)
    )
    assert torch.allclose(found, torch.nn.functional.cross_entropy(logits, labels))


N = 8


def two(present=None):
    """Outputs of two modalities, their vectors and which records have both."""
    a, b = unit(N, 4), unit(N, 4)
    present = RNG.random((N, 2)) > 0.2 if present is None else present
    out = ModelOutput(
        logits=torch.zeros(N, 3),
        modality_logits={},
        embeddings={"a": t(a), "b": t(b)},
        fused=torch.zeros(N, 4),
    )
    return out, a, b, present, [r for r in range(N) if present[r].all()]


def classes(labels):
    """Targets and weights of class numbers; -1 is no label."""
    labels = np.array(labels)
    return t(np.eye(3)[labels.clip(0)]), t(labels >= 0)


LABELS = [0, 1, 0, 2, -1, 1, -1, 0]
NOTHING = (torch.zeros(N, 3), torch.zeros(N))


def same(i, j):
    return i == j or (LABELS[i] == LABELS[j] >= 0)


def test_sigmoid_pairs_is_a_sum_of_logistic_losses_over_all_pairs_of_the_batch():
    out, a, b, present, rows = two()
    groups = np.array([0, 0, 2, 3, 4, 5, 6, 6])
    likeness = Likeness(groups=torch.from_numpy(groups), contents=torch.arange(2 * N).view(N, 2))
    total = 0.0
    for i in rows:
        for j in rows:
            if i == j or groups[i] != groups[j]:
                y = 1 if i == j else -1
                total += math.log(1 + math.exp(-y * (3.0 * a[i] @ b[j] - 2.0)))
    made = sigmoid_pairs.build(sigmoid_pairs.Config(scale=3.0, bias=-2.0))
    found = made(out, *NOTHING, torch.from_numpy(present), likeness)
    assert found.item() == pytest.approx(total / len(rows), rel=1e-5)
    found.backward()
    assert made.log_scale.grad
    assert made.bias.grad


def test_sdm_is_the_divergence_of_similarities_from_labels_both_ways():
    out, a, b, present, rows = two()
    total = 0.0
    for left, right in ((a, b), (b, a)):
        for i in rows:
            p = softmax([left[i] @ right[j] / 0.1 for j in rows])
            q = np.array([same(i, j) for j in rows], float)
            total += sum(p * np.log(p / (q / q.sum() + 1e-8))) / 2
    made = sdm.build(sdm.Config(temperature=0.1))
    found = made(out, *classes(LABELS), torch.from_numpy(present))
    assert found.item() == pytest.approx(total / len(rows), rel=1e-4)


def test_sdm_of_distinct_labels_has_the_gradient_sign_of_info_nce():
    """The divergence is the other way round: both are least where each record finds its own."""
    a = torch.eye(4)
    out = ModelOutput(
        logits=torch.zeros(4, 3), modality_logits={}, embeddings={"a": a, "b": a}, fused=a
    )
    made = sdm.build(sdm.Config(temperature=0.02))
    found = made(out, torch.zeros(4, 3), torch.zeros(4), torch.ones(4, 2, dtype=torch.bool))
    assert found.item() == pytest.approx(0, abs=1e-5)


def test_likely_labels_make_likely_matches_and_sets_of_classes_share_some():
    from components.parts.losses._classes import same_label
    from components.parts.targets import multi

    likely = t([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    assert same_label(likely, torch.ones(3))[0].tolist() == pytest.approx([1, 0.5, 0.5])
    sets = t([[1, 1, 0], [1, 0, 0], [0, 0, 1]])
    target = multi.build(multi.Config(), classes=["a", "b", "c"])
    assert same_label(sets, torch.ones(3), target)[0].tolist() == pytest.approx([1, 0.5, 0])
    # Only what is known of both counts: of the first two records that is the first class.
    sets[1, 1:] = torch.nan
    assert same_label(sets, torch.ones(3), target)[0].tolist() == pytest.approx([1, 1, 0])


def test_supervised_contrast_is_khoslas_sum_over_the_vectors_of_all_modalities():
    out, a, b, present, _ = two()
    vectors = [(i, m, z[i]) for m, z in enumerate((a, b)) for i in range(N) if present[i, m]]
    losses = []
    for i, m, z in vectors:
        others = [v for v in vectors if (v[0], v[1]) != (i, m)]
        logs = log_softmax([z @ v[2] / 0.2 for v in others])
        own = [log for log, v in zip(logs, others, strict=True) if same(i, v[0])]
        losses += [-np.mean(own)] if own else []
    made = supervised_contrast.build(supervised_contrast.Config(temperature=0.2))
    found = made(out, *classes(LABELS), torch.from_numpy(present))
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)


def cosine(x):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def test_soft_contrast_weighs_by_the_frozen_vectors_of_what_is_searched():
    out, a, b, present, rows = two()
    frozen = {"a": RNG.normal(size=(N, 5)), "b": RNG.normal(size=(N, 3))}
    total = 0.0
    for left, right, name in ((a, b, "b"), (b, a, "a")):
        w = (cosine(frozen[name]) + 1) / 2
        for i in rows:
            logs = log_softmax([left[i] @ right[j] / 0.3 for j in rows])
            total -= w[i, rows] @ logs / w[i, rows].sum() / 2
    made = soft_contrast.build(soft_contrast.Config(temperature=0.3))
    known = {n: t(x) for n, x in frozen.items()}
    found = made(out, *NOTHING, torch.from_numpy(present), frozen=known)
    assert found.item() == pytest.approx(total / len(rows), rel=1e-5)
    plain = made(out, *NOTHING, torch.from_numpy(present))
    clip = info_nce.build(info_nce.Config(temperature=0.3))
    assert plain.item() == pytest.approx(
        clip(out, *NOTHING, torch.from_numpy(present)).item(), rel=1e-5
    )


def test_unimodal_targets_are_teachers_by_divergence_across_and_within():
    out, a, b, present, rows = two()
    frozen = {"a": RNG.normal(size=(N, 5)), "b": RNG.normal(size=(N, 3))}
    total = 0.0
    for own, other, name in ((a, b, "a"), (b, a, "b")):
        similar = cosine(frozen[name])
        for i in rows:
            q = softmax(similar[i, rows] / 0.5)
            for factor, searched in ((0.1, other), (0.5, own)):
                log_p = log_softmax([own[i] @ searched[j] / 0.45 for j in rows])
                total += factor * sum(q * (np.log(q) - log_p)) / 2
    made = unimodal_targets.build(unimodal_targets.Config(teacher_temperature=0.5))
    known = {n: t(x) for n, x in frozen.items()}
    found = made(out, *NOTHING, torch.from_numpy(present), frozen=known)
    assert found.item() == pytest.approx(total / len(rows), rel=1e-5)
    learned = {"a": t(frozen["a"]), "b": torch.zeros(N, 0)}
    assert made(out, *NOTHING, torch.from_numpy(present), frozen=learned).item() > 0


def test_neighbourhood_is_jensen_shannon_of_random_walks_before_and_after():
    out, a, b, present, _ = two()
    frozen = {"a": RNG.normal(size=(N, 5)), "b": RNG.normal(size=(N, 3))}

    def walk(x, rows):
        x = x[rows] / np.linalg.norm(x[rows], axis=1, keepdims=True)
        x = x - x.mean(axis=0)
        return softmax(x @ x.T / 0.2, axis=1)

    modalities = []
    for column, (name, z) in enumerate((("a", a), ("b", b))):
        rows = np.flatnonzero(present[:, column])
        p, q = walk(frozen[name], rows), walk(z, rows)
        steps = [
            np.mean(
                jensenshannon(np.linalg.matrix_power(p, s), np.linalg.matrix_power(q, s), axis=1)
                ** 2
            )
            / s
            for s in (1, 2, 3)
        ]
        modalities.append(sum(steps) / 3)
    made = neighbourhood.build(neighbourhood.Config(temperature=0.2, steps=3))
    known = {n: t(x) for n, x in frozen.items()}
    found = made(out, *NOTHING, torch.from_numpy(present), frozen=known)
    assert found.item() == pytest.approx(np.mean(modalities), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("info_nce", {"temperature": 0}),
        ("cross_entropy", {"modality_weight": -1}),
        ("sigmoid_pairs", {"scale": 0}),
        ("neighbourhood", {"steps": 0}),
    ],
)
def test_wrong_options_say_what_is_wanted(name, options):
    with pytest.raises(UsageError, match=r"got .* wanted"):
        parts.configure("losses", name, options)


def test_completion_is_the_mean_miss_and_contrast_over_records_that_have_it_and_another():
    n, names = 7, ("a", "b", "c")
    present = RNG.random((n, 3)) > 0.3
    z, guess = ({m: unit(n, 4) for m in names} for _ in range(2))
    miss = {m: RNG.random(n) for m in names}
    total = []
    for i, m in enumerate(names):
        rows = [r for r in range(n) if present[r, i] and present[r].sum() > 1]
        scores = guess[m][rows] @ z[m][rows].T / 0.07
        sides = np.diag(log_softmax(scores, axis=1)) + np.diag(log_softmax(scores, axis=0))
        total.append(np.mean(miss[m][rows]) - 0.3 * np.mean(sides) / 2)
    out = ModelOutput(
        logits=torch.zeros(n, 2),
        modality_logits={},
        embeddings={m: t(x) for m, x in z.items()},
        fused=torch.zeros(n, 4),
        extras={
            **{f"guess:{m}": 3 * t(x) for m, x in guess.items()},
            **{f"miss:{m}": torch.stack([t(x), torch.ones(n)], dim=1) for m, x in miss.items()},
        },
    )
    made = completion.build(completion.Config(contrast=0.3))
    found = made(out, t(np.zeros((n, 2))), t(np.zeros(n)), torch.from_numpy(present))
    assert found.item() == pytest.approx(np.mean(total), rel=1e-5)


def test_a_fusion_that_fills_in_nothing_has_nothing_to_complete():
    out = ModelOutput(
        logits=torch.zeros(3, 2, requires_grad=True),
        modality_logits={},
        embeddings={m: t(unit(3, 4)) for m in "ab"},
        fused=torch.zeros(3, 4),
    )
    made = completion.build(completion.Config())
    found = made(out, torch.zeros(3, 2), torch.ones(3), torch.ones(3, 2, dtype=torch.bool))
    assert found.item() == 0
    found.backward()
