"""A composer is learned where the plain sum is wrong, and is not kept where it is right."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from components.config.composer import ComposerConfig
from components.training.composer import Embedded, fit, judge
from components.training.judged_composer import found_among_first, judged

COMPOSER = ComposerConfig(reference="image", text="text", hidden=64, epochs=30)
DIM, PER, KINDS = 16, 12, 20


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def planted(seed=0, twist=None):
    """Records are an object and a colour; the text names the colour of the record alone.

    The part of the embedding that tells the colour is turned in the text by ``twist``, so that the
    plain sum adds something else.
    """
    rng = np.random.default_rng(seed)
    objects, colours = rng.normal(size=(PER * KINDS, DIM)), rng.normal(size=(6, DIM))
    of, colour = np.repeat(np.arange(PER * KINDS), 6), np.tile(np.arange(6), PER * KINDS)
    words = colours if twist is None else colours @ twist
    n = len(of)
    i = rng.integers(n, size=3000)
    j = of[i] * 6 + (colour[i] + rng.integers(1, 6, 3000)) % 6
    return Embedded(
        z=unit(objects[of] + colours[colour]),
        t=unit(words[colour]),
        groups=np.arange(n),
        contents=np.arange(1, n + 1),
        references=i,
        targets=j,
        held_out=of[i] % 5 == 0,
    )


@pytest.fixture(scope="module")
def twisted():
    rng = np.random.default_rng(1)
    return planted(twist=np.linalg.qr(rng.normal(size=(DIM, DIM)))[0])


def test_it_is_kept_where_words_do_not_point_where_they_should(twisted):
    found = judge(twisted, fit(twisted, COMPOSER, 0))
    assert found.kept
    assert found.composer > found.sum + 0.2
    assert f"{found.sum:.3f}" in found.words()


def test_the_same_seed_learns_the_same(twisted):
    short = COMPOSER.model_copy(update={"epochs": 2})
    first, again, other = (fit(twisted, short, seed).weights for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["out.weight"], other["out.weight"])


def test_what_a_service_computes_is_what_torch_computes(twisted):
    """The oracle is the formula in torch's own layers."""
    learned = fit(twisted, COMPOSER.model_copy(update={"epochs": 2}), 0)
    layers = nn.Sequential(nn.Linear(2 * DIM, 64), nn.ReLU(), nn.Linear(64, DIM))
    names = ("hidden.weight", "hidden.bias", "out.weight", "out.bias")
    own = [torch.from_numpy(learned.weights[name]) for name in names]
    layers.load_state_dict(dict(zip(layers.state_dict(), own, strict=True)))
    z, t = torch.from_numpy(twisted.z), torch.from_numpy(twisted.t)
    with torch.inference_mode():
        wanted = F.normalize(z + layers(torch.cat([z, t], dim=1)), dim=1).numpy()
    assert learned(twisted.z, twisted.t) == pytest.approx(wanted, abs=1e-5)


def test_triplets_that_judge_teach_nothing(twisted):
    spoiled = dataclasses.replace(twisted, targets=twisted.targets.copy())
    spoiled.targets[spoiled.held_out] = 0
    short = COMPOSER.model_copy(update={"epochs": 2})
    first, other = fit(twisted, short, 0), fit(spoiled, short, 0)
    assert all(np.array_equal(w, other.weights[name]) for name, w in first.weights.items())


def test_it_is_not_kept_without_a_gain_beyond_one_standard_error():
    rng = np.random.default_rng(0)
    gallery = unit(rng.normal(size=(400, 8)))
    given = {"groups": np.arange(400), "references": np.zeros(80, int), "targets": np.arange(1, 81)}
    right, noise = gallery[1:81], unit(rng.normal(size=(80, 8)))
    same = judged(queries={"composer": right, "sum": right}, gallery=gallery, **given)
    assert (same.composer, same.sum, same.kept) == (1.0, 1.0, False)
    better = judged(queries={"composer": right, "sum": noise}, gallery=gallery, **given)
    assert better.kept
    # The oracle of the standard error: each target is a group of its own.
    first = found_among_first(noise @ gallery.T, *given.values())
    assert better.standard_error == pytest.approx(np.std(1.0 - first) / np.sqrt(80))
    one = {name: x[:1] for name, x in given.items() if name != "groups"}
    few = judged(
        queries={"composer": right[:1], "sum": -right[:1]},
        gallery=gallery, groups=np.arange(400), **one,
    )  # fmt: skip
    assert few.composer > few.sum
    assert not few.kept
    assert "too few" in few.words()


def test_a_target_is_found_as_a_loop_over_a_sorted_list_finds_it():
    rng = np.random.default_rng(0)
    scores, groups = rng.normal(size=(30, 60)), rng.integers(0, 25, 60)
    references, targets = rng.integers(0, 60, 30), rng.integers(0, 60, 30)
    targets = np.where(targets == references, (targets + 1) % 60, targets)
    wanted = []
    for row, (i, j) in enumerate(zip(references, targets, strict=True)):
        order = [g for g in np.argsort(-scores[row]) if g != i]
        wanted.append(any(groups[g] == groups[j] for g in order[:10]))
    assert found_among_first(scores, groups, references, targets).tolist() == wanted
