import io
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from components.core.errors import BadInput, UserError
from components.parts.effort import effort
from components.parts.encoders import _speech, logmel, speech
from components.parts.kinds import audio
from components.parts.kinds.audio import Sound

RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 0.1, 9000).astype(np.float32)


def encode(*sounds):
    encoder = speech.build(speech.Config(), kind=None)
    return encoder.encode([Sound(samples=np.asarray(s, np.float32)) for s in sounds])


def test_embeddings_are_those_of_the_packages_own_streaming():
    from pyopen_wakeword import OpenWakeWordFeatures

    own = OpenWakeWordFeatures.from_builtin()
    # Its eight seconds of silence before the first sample are left out, as `reset` would refill it.
    own.new_audio_samples = 0
    padded = np.concatenate([np.zeros(6400), NOISE * 32_767, np.zeros(8000)])
    found = _speech.embeddings(NOISE)
    streamed = list(own.process_streaming(np.rint(padded).astype(np.int16).tobytes()))
    assert len(found) > 6
    wanted = np.concatenate([e.reshape(-1, 96) for e in streamed])[: len(found)]
    assert np.allclose(found, wanted, atol=1e-3)


def test_a_sound_does_not_depend_on_those_before_it():
    loud = RNG.normal(0, 0.5, 40_000)
    alone = encode(NOISE)[0]
    assert np.array_equal(encode(loud, NOISE, loud, NOISE)[[1, 3]], np.stack([alone, alone]))


def test_the_vector_is_mean_largest_and_three_stretches():
    rows = _speech.embeddings(np.tile(NOISE, 3))
    found = encode(np.tile(NOISE, 3))[0].reshape(5, 96)
    third = len(rows) // 3
    assert np.allclose(found[0], rows.mean(0), atol=1e-5)
    assert np.allclose(found[1], rows.max(0))
    assert np.allclose(found[2], rows[:third].mean(0), atol=1e-5)


@pytest.mark.parametrize("length", [1, 100, 1280])
def test_a_sound_that_is_shorter_than_a_window_is_filled_with_silence(length):
    assert np.isfinite(encode(NOISE[:length])).all()


def test_without_its_package_it_says_where_it_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyopen_wakeword", None)
    _speech._package.cache_clear()
    with pytest.raises(UserError, match=r"Linux on x86-64.*choose the encoder 'logmel'"):
        _speech.digest.__wrapped__()
    _speech._package.cache_clear()


def test_sounds_of_several_threads_are_encoded_beside_each_other_with_the_same_numbers():
    alone = encode(NOISE)[0]
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(encode, [NOISE] * 6):
            assert np.array_equal(found[0], alone)
    assert 1 <= len(_speech._FREE) <= 4


def test_how_long_it_computes_is_told_from_the_header():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(80_000), 8000, format="FLAC")
    kind = audio.build(audio.Config(), name="sound", columns={})
    encoders = [speech.build(speech.Config(), kind=kind), logmel.build(logmel.Config(), kind=kind)]
    assert effort(kind, encoders, buffer.getvalue()) == pytest.approx(
        10 * speech.SpeechEncoder.pace
    )
    assert effort(kind, encoders[1:], buffer.getvalue()) == 0
    with pytest.raises(BadInput, match="sound"):
        effort(kind, encoders, b"no sound")
