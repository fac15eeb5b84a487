"""Copies of texts are found although they were reworded, and sounds although they were cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.leaks import sketches, sounds
from components.evaluation.leaks.sketches import SOUNDS, TEXTS, Rule, pieces, sketch

LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
WORDS = ["".join(np.random.default_rng(n).choice(LETTERS, 7)) for n in range(300)]


def found(texts, rule=TEXTS):
    return {(a, b) for a, b, _ in sketches.copies([sketch(pieces(t), rule) for t in texts], rule)}


def test_a_reworded_text_is_a_copy_and_another_is_not():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 12, replace=False)) for _ in range(80)]
    words = texts[5].split()
    words[2], words[7] = words[7], "otherwise"
    assert found([*texts, " ".join(words).upper()]) == {(5, 80)}


def test_a_text_of_few_words_has_no_near_copies():
    assert found(["red hat", "red hat!"]) == set()


@given(st.lists(st.sampled_from(WORDS), min_size=8, max_size=20, unique=True), st.randoms())
def test_the_order_of_words_does_not_count(words, random):
    other = list(words)
    random.shuffle(other)
    assert sorted(pieces(" ".join(words))) == sorted(pieces(" ".join(other)))


def test_likeness_of_small_sets_is_jaccards_coefficient_with_weights():
    a, b = {"aaaa", "bbbb", "cccc"}, {"bbbb", "cccc", "dddd"}
    rule = Rule(kept=64, least=1, alike=0.0, bands=32, width=1)
    sets = [a, b, {"eeee"}]
    known = [sketch(pieces(" ".join(sorted(s))), rule) for s in sets]
    ((first, second, alike),) = sketches.copies(known, rule)
    count = {p: sum(p in set(k.tolist()) for k in known) for k in known for p in k.tolist()}
    weight = {p: np.log(3 / n) for p, n in count.items()}
    one, other = set(known[0].tolist()), set(known[1].tolist())
    wanted = sum(weight[p] for p in one & other) / sum(weight[p] for p in one | other)
    assert (first, second) == (0, 1)
    assert alike == pytest.approx(wanted)


def chirps(rng, seconds=3.0):
    """Tones of random pitch and onset at 16 kHz."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    wave = np.zeros_like(time)
    for _ in range(40):
        start, pitch = rng.uniform(0, seconds), rng.uniform(100, 4_000)
        wave += np.sin(2 * np.pi * pitch * time) * np.exp(-(((time - start) / 0.05) ** 2))
    return wave.astype(np.float32)


def test_a_sound_that_was_cut_and_made_quieter_is_a_copy():
    rng = np.random.default_rng(0)
    waves = [chirps(rng) for _ in range(12)]
    cut = 0.5 * waves[4][4_000:40_000] + rng.normal(0, 1e-3, 36_000).astype(np.float32)
    known = [sketch(sounds.landmarks(wave), SOUNDS) for wave in (*waves, cut)]
    assert {(a, b) for a, b, _ in sketches.copies(known, SOUNDS)} == {(4, 12)}


def test_a_sound_that_is_too_short_has_no_landmarks():
    assert len(sounds.landmarks(np.zeros(100, np.float32))) == 0
