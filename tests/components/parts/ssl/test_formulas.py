"""The rules of ssl parts against numpy and scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from components.parts.losses.info_nce import info_nce
from components.parts.ssl import flexmatch, momentum_teacher, softmatch
from tests.components.parts.batches import B, K
from tests.components.parts.ssl.test_contract import answered, part


def asked(name, given, **state):
    """A part with a state, what it gives, and the probabilities of both views."""
    made = part(name)
    for what, value in state.items():
        getattr(made, what).copy_(torch.as_tensor(value))
    student, teacher = (x.logits.detach().double().numpy() for x in (given.student, given.teacher))
    return made, made(given), log_softmax(student, axis=1), softmax(teacher, axis=1)


def loss(weight, label, logs):
    return -(weight * logs[np.arange(B), label]).sum() / B


def test_fixmatch_learns_answers_above_the_threshold_alone():
    _, given = answered()
    _, found, logs, q = asked("fixmatch", given)
    kept = q.max(1) >= 0.95
    assert 0 < kept.sum() < B
    assert found["consistency"].item() == pytest.approx(loss(kept, q.argmax(1), logs), rel=1e-5)
    assert found["kept"].item() == pytest.approx(kept.mean())


def test_no_gradient_flows_to_the_teacher():
    (_, taught), given = answered()
    part("fixmatch")(given)["consistency"].backward()
    assert all(leaf.grad is None for leaf in taught)


@given(st.lists(st.integers(0, K), min_size=1, max_size=60))
def test_flexmatch_thresholds_follow_the_records_each_class_has_won(won):
    counts = [won.count(c) for c in range(K + 1)]
    beta = [count / max(counts) for count in counts[:K]]
    wanted = [0.95 * b / (2 - b) for b in beta]
    assert flexmatch.thresholds(torch.tensor(won), K, 0.95).tolist() == pytest.approx(wanted)


def test_flexmatch_keeps_by_the_threshold_of_the_class_and_remembers_the_sure():
    _, given = answered()
    won = torch.tensor([0] * 15 + [1] * 5 + [2] * 2 + [K] * 18)
    made, found, logs, q = asked("flexmatch", given, won=won)
    label, least = q.argmax(1), flexmatch.thresholds(won, K, 0.95).numpy()
    kept = q.max(1) >= least[label]
    assert found["consistency"].item() == pytest.approx(loss(kept, label, logs), rel=1e-5)
    for row, number in enumerate(given.numbers.tolist()):
        wanted = label[row] if q[row].max() >= 0.95 else won[number]
        assert made.won[number] == wanted


def test_freematch_moves_its_means_and_keeps_by_them():
    _, given = answered()
    expected = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    made, found, logs, q = asked("freematch", given, sure=0.6, expected=expected)
    sure = 0.99 * 0.6 + 0.01 * q.max(1).mean()
    moved = 0.99 * expected + 0.01 * q.mean(0)
    least, label = sure * moved / moved.max(), q.argmax(1)
    kept = q.max(1) >= least[label]
    assert found["consistency"].item() == pytest.approx(loss(kept, label, logs), rel=1e-5)
    assert found["threshold"].item() == pytest.approx(sure, rel=1e-6)
    assert made.expected.tolist() == pytest.approx(moved.tolist(), rel=1e-5)


def test_softmatch_weighs_by_a_gaussian_below_the_mean():
    _, given = answered()
    made, found, logs, q = asked("softmatch", given, mean=0.7, variance=0.04)
    sure = q.max(1)
    mean, variance = 0.99 * 0.7 + 0.01 * sure.mean(), 0.99 * 0.04 + 0.01 * sure.var()
    weight = np.where(sure >= mean, 1.0, np.exp(-((sure - mean) ** 2) / (2 * variance)))
    assert found["kept"].item() == pytest.approx(weight.mean(), rel=1e-5)
    wanted = loss(weight, q.argmax(1), logs)
    assert found["consistency"].item() == pytest.approx(wanted, rel=1e-5)
    assert made.variance.item() == pytest.approx(variance, rel=1e-5)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_softmatch_weights_lie_between_0_and_1(sure, mean, variance):
    (found,) = softmatch.weights(*(torch.tensor([x]) for x in (sure, mean, variance))).tolist()
    assert 0 <= found <= 1
    assert found == 1 or sure < mean


def test_a_momentum_teacher_softens_classes_and_similarities():
    present = torch.rand(B, 3) > 0.3
    _, given = answered(present)
    found = part("momentum_teacher")(given)
    student, teacher = (x.logits.detach().double().numpy() for x in (given.student, given.teacher))
    classes = -(softmax(teacher, 1) * log_softmax(student, 1)).sum(1).mean()
    assert found["classes"].item() == pytest.approx(0.4 * classes, rel=1e-5)
    names, pairs = sorted(given.student.embeddings), []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        rows = np.flatnonzero((present[:, i] & present[:, j]).numpy())
        a, b, c, d = (
            output.embeddings[names[k]].detach().double().numpy()[rows]
            for output in (given.student, given.teacher)
            for k in (i, j)
        )
        own, wanted = a @ b.T / 0.07, c @ d.T / 0.07
        sides = [
            -(softmax(y, 1) * log_softmax(x, 1)).sum(1).mean()
            for x, y in ((own, wanted), (own.T, wanted.T))
        ]
        pairs.append(np.mean(sides))
    assert found["similarity"].item() == pytest.approx(0.4 * np.mean(pairs), rel=1e-4)


def test_a_teacher_that_is_sure_of_the_pairs_gives_the_plain_contrast():
    a, b = (torch.nn.functional.normalize(torch.randn(B, 16), dim=1) for _ in range(2))
    sure = torch.eye(B)
    found = momentum_teacher.soft_match((a, b), (sure, sure), torch.ones(B) > 0, 100.0)
    assert found.item() == pytest.approx(info_nce(a, b, torch.tensor(100.0)).item(), rel=1e-5)
