import numpy as np
import pytest

from components.parts.encoders import melcnn
from components.parts.kinds.audio import Sound
from tests.sounds import wave

RNG = np.random.default_rng(0)


def encode(*sounds, **options):
    encoder = melcnn.build(melcnn.Config(**options), kind=None)
    return encoder.encode([Sound(samples=np.asarray(s, np.float32)) for s in sounds])[..., 0]


@pytest.mark.parametrize(("windows", "columns"), [(300, 128), (7, 16), (64, 64)])
def test_parts_have_the_mean_energy_of_the_windows_that_they_overlap(windows, columns):
    energy = RNG.random((windows, 64)).astype(np.float32)
    width = windows / columns
    for column, found in enumerate(melcnn._spread(energy, columns)):
        shares = [
            max(0.0, min(n + 1, (column + 1) * width) - max(n, column * width))
            for n in range(windows)
        ]
        assert np.allclose(found, np.average(energy, axis=0, weights=shares), rtol=1e-4)


def test_few_windows_are_repeated():
    energy = RNG.random((2, 64)).astype(np.float32)
    assert np.allclose(melcnn._spread(energy, 16), np.repeat(energy, 8, axis=0), rtol=1e-5)


def test_a_tone_that_rises_draws_a_line_upwards():
    tones = np.concatenate([wave(hertz, 0.5) for hertz in (300, 900, 2000, 5000)])
    (picture,) = encode(tones)
    bands = [int(picture[:, column].argmax()) for column in (16, 48, 80, 112)]
    assert bands == sorted(bands)
    assert bands[0] + 20 < bands[-1]


def test_silence_around_a_sound_is_cut_off_and_a_long_one_keeps_its_loudest_part():
    sound, quiet = wave(500, 1), 0.02 * wave(3000, 4)
    alone, padded = encode(sound, np.concatenate([np.zeros(20_000), sound, np.zeros(9000)]))
    assert np.abs(alone.astype(int) - padded).mean() < 6
    (cut,) = encode(np.concatenate([quiet, sound, quiet]), seconds=1.0)
    assert (cut.argmax(0)[5:-5] == alone.argmax(0)[5:-5]).all()


@pytest.mark.parametrize("length", [1, 400, 700, 5000])
def test_a_sound_of_any_length_has_a_picture(length):
    assert encode(RNG.normal(0, 0.1, length)).shape == (1, 64, 128)
    assert not encode(np.zeros(length)).max() > 2
