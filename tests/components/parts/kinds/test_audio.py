import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile

from components.core.errors import BadInput
from components.parts.guess import Column
from components.parts.kinds import audio
from tests.sounds import encoded, tone, wave

RNG = np.random.default_rng(0)
FORMS = [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)]


def build(**options):
    return audio.build(audio.Config(**options), name="sound", columns={})


def level(samples, hertz, rate=audio.RATE):
    """Amplitude of a tone in samples, its projection on sine and cosine."""
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / rate)
    return 2 * abs((samples * turns).mean())


@pytest.mark.parametrize(("container", "subtype"), FORMS)
def test_every_format_is_recognised_and_keeps_a_tone(container, subtype):
    rate = 24_000 if subtype == "OPUS" else 22_050
    options = {"subtype": subtype} if subtype else {}
    data = encoded(wave(500, 1, rate), rate, container, **options)
    assert audio.guess(Column(blobs=(data,), cells=1)) == "modality"
    sound = build().decode(data)
    assert sound.samples.dtype == np.float32
    assert len(sound.samples) == pytest.approx(16_000, abs=1)
    assert level(sound.samples[2000:14_000], 500) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_a_change_of_rate_keeps_what_fits_and_removes_what_does_not(rate):
    heard = wave(1000, 1, rate)
    above = wave(9500, 1, rate) if rate > 20_000 else 0
    samples = build().decode(encoded(heard + above, rate, subtype="FLOAT")).samples
    inner = samples[2000:14_000]
    # Where 9500 Hz would be found if it were folded back.
    assert level(inner, 6500) < 0.002
    assert np.allclose(inner, wave(1000, 1)[2000:14_000], atol=0.01)


def test_channels_are_averaged():
    left, right = wave(300), wave(700)
    samples = build().decode(encoded(np.stack([left, right], 1), subtype="FLOAT")).samples
    assert np.allclose(samples, (left + right) / 2, atol=1e-6)


def test_floats_beyond_full_scale_are_scaled_and_not_cut():
    loud = 8 * wave(300)
    samples = build().decode(encoded(loud, subtype="FLOAT")).samples
    assert np.allclose(samples, loud / np.abs(loud).max(), atol=1e-6)


def float_file(value):
    return encoded(np.array([0.0, value, 0.0]), subtype="FLOAT")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (tone(seconds=2), "a sound of 2 seconds, wanted at most 1 seconds"),
        (encoded(wave(300, 0.1), 96_000), "96,000 samples a second, wanted at most 48,000"),
        (encoded(np.zeros((10, 3))), "a sound of 3 channels, wanted at most 2"),
        (bytes(100_001), "a file of 100,001 bytes, wanted at most 100,000"),
        (b"", "0 bytes that start with nothing, wanted a sound"),
        (b"\x89PNG\r\n\x1a\n", "start with 89 50 4e 47"),
        (b"RIFF\x24\x00\x00\x00WAVEjunk", "a file that starts as WAV and is damaged"),
        (encoded(np.zeros(0)), "without samples"),
        (float_file(np.nan), "no numbers"),
        (float_file(np.inf), "infinite"),
        ("text", "a str"),
    ],
    ids=lambda value: value if isinstance(value, str) else "raw",  # files carry the time
)
def test_a_sound_that_cannot_be_used_says_why(raw, said):
    kind = build(max_bytes=100_000, max_seconds=1, max_rate=48_000, max_channels=2)
    with pytest.raises(BadInput, match=r"sound: got") as caught:
        kind.decode(raw)
    assert said in str(caught.value)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3"])
def test_a_sound_that_ends_too_early_is_damaged(container):
    data = encoded(RNG.normal(0, 0.1, 16_000), container=container)
    with pytest.raises(BadInput, match="a damaged sound file"):
        build().decode(data[: len(data) // 2])


def test_a_wav_file_from_a_pipe_has_no_size_and_is_read():
    data = bytearray(tone())
    data[4:8] = data[40:44] = struct.pack("<I", 0xFFFFFFFF)
    assert len(build().decode(bytes(data)).samples) == 8000


def test_limits_are_read_from_the_header():
    tracemalloc.start()
    with pytest.raises(BadInput, match="seconds"):
        build(max_seconds=1).cost(encoded(np.zeros(4_000_000), 8000, "FLAC"))
    assert tracemalloc.get_traced_memory()[1] < 64_000_000  # the array that was written
    tracemalloc.stop()


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1), (47_999, 1)])
def test_decoding_takes_no_more_memory_than_its_cost(rate, channels):
    data = encoded(RNG.normal(0, 0.1, (20 * rate, channels)), rate)
    kind = build()
    kind.decode(encoded(wave(300, 0.01, 8000), 8000))  # imports
    tracemalloc.start()
    kind.decode(data)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used <= kind.cost(data) <= 4 * used


@pytest.mark.parametrize(
    ("samples", "noticed"),
    [
        (np.zeros(8000), ("silent",)),
        (wave(300, peak=0.0005), ("silent",)),
        (np.clip(4 * wave(300, 1), -1, 1), ("clipped",)),
        (wave(300, peak=1.0), ()),
        (wave(50, peak=0.999), ()),
        (wave(300, peak=0.01), ()),
    ],
)
def test_silence_and_clipping_are_noticed(samples, noticed):
    kind = build()
    assert kind.notices(kind.decode(encoded(samples))) == noticed


def test_a_preview_is_the_loudest_part_and_small():
    quiet, loud = 0.01 * wave(300, 10), wave(800, 3)
    kind = build()
    raw = encoded(np.concatenate([quiet, loud, quiet]))
    shown = kind.preview(raw, kind.decode(raw))
    assert len(shown) < 12_000
    samples, rate = soundfile.read(io.BytesIO(shown))
    assert len(samples) == pytest.approx(3 * 16_000, abs=2400)
    assert level(samples[8000:40_000], 800, rate) == pytest.approx(0.5, abs=0.05)
    assert shown == kind.preview(raw, kind.decode(raw))
