import math

import numpy as np
import pytest
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from components.parts.encoders import _logmel as mel
from components.parts.encoders import logmel
from components.parts.kinds.audio import Sound
from tests.sounds import wave

NOISE = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)


def encode(samples):
    encoder = logmel.build(logmel.Config(), kind=None)
    return encoder.encode([Sound(samples=np.asarray(samples, np.float32))])[0].reshape(6, 64)


def to_mel(hertz):
    return 2595 * math.log10(1 + hertz / 700)


def test_energies_are_those_of_a_brute_force_mel_filter_over_scipys_transform():
    transform = ShortTimeFFT(hann(400, sym=False), 160, 16_000, mfft=512, fft_mode="onesided")
    # scipy centres windows at multiples of 160; ours start there, so the sound is moved by 120.
    moved = np.pad(NOISE.astype(np.float64), (120, 0))
    power = np.abs(transform.stft(moved)) ** 2
    step = to_mel(8000) / 65
    for window in (0, 20):
        found = mel.energies(NOISE)[window]
        for band in range(64):
            wanted = 0.0
            for number in range(257):
                hertz = number * 16_000 / 512
                edges = [700 * (10 ** ((band + i) * step / 2595) - 1) for i in range(3)]
                if edges[0] < hertz <= edges[1]:
                    weight = (hertz - edges[0]) / (edges[1] - edges[0])
                elif edges[1] < hertz < edges[2]:
                    weight = (edges[2] - hertz) / (edges[2] - edges[1])
                else:
                    weight = 0.0
                wanted += weight * power[number, window + 2 - transform.p_min]
            assert found[band] == pytest.approx(wanted, rel=1e-3, abs=1e-6)


def test_a_rising_tone_moves_through_the_stretches():
    tones = np.concatenate([wave(hertz, 1) for hertz in (300, 900, 2000, 5000)])
    _, _, *stretches = encode(tones)
    step = to_mel(8000) / 65
    wanted = [to_mel(hertz) / step - 1 for hertz in (300, 900, 2000, 5000)]
    assert [int(s.argmax()) for s in stretches] == pytest.approx(wanted, abs=1)


def test_mean_and_deviation_are_those_of_the_spectra():
    spectra = np.log(mel.energies(NOISE) + 1e-6)
    found = encode(NOISE)
    assert np.allclose(found[0], spectra.mean(0), atol=1e-5)
    assert np.allclose(found[1], spectra.std(0), atol=1e-5)


def test_the_silence_around_a_sound_changes_little():
    padded = np.concatenate([np.zeros(16_000), NOISE, np.zeros(48_000)])
    assert np.abs(encode(padded) - encode(NOISE)).mean() < 0.25


@pytest.mark.parametrize("length", [1, 399, 400, 600, 1000])
def test_a_sound_of_any_length_has_a_finite_vector(length):
    assert np.isfinite(encode(NOISE[:length])).all()
    assert np.isfinite(encode(np.zeros(length))).all()


def test_a_fainter_sound_differs_by_its_level_alone():
    assert np.allclose(encode(NOISE)[0] - encode(NOISE / 4)[0], 2 * math.log(4), atol=0.05)
