"""Sounds in WAV, FLAC, OGG and MP3, as one channel of 16,000 samples a second.

Channels are averaged. Another rate is changed by a polyphase filter, which removes what the new
rate cannot hold. Samples of floats beyond full scale are scaled down, none is cut.

Source: polyphase filters, Crochiere & Rabiner 1983 (Multirate Digital Signal Processing, ch. 4), in
``_resampling``; libsndfile decodes the samples.
"""

import base64
import io
import math
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.errors import BadInput
from components.parts.contracts import Raw
from components.parts.guess import Column
from components.parts.kinds import _sounds as sounds
from components.parts.kinds._resampling import resampled

RAW = "bytes"
VERSION = 2
"""2: another rate is changed without scipy, so samples differ in the last bits."""
EARLIER = (1,)
"""Models of this version are answered for."""
LIBRARIES = ("soundfile",)
# The speech embedding is in a package that exists for Linux on x86-64 alone.
ENCODERS = ("logmel", *(("speech",) if find_spec("pyopen_wakeword") else ()))
MEDIA_TYPES = sounds.MEDIA_TYPES
SUFFIXES = tuple(MEDIA_TYPES)
UNREAD = sounds.UNREAD
ACCEPTS = f"a sound file ({sounds.NAMES}) in base64"
RATE = 16_000
"""Samples a second of a decoded sound."""
PREVIEW_SECONDS = 3
_PREVIEW_SQUEEZE = 0.99
"""How far libsndfile squeezes, up to 1: 3 seconds take 7 kB."""
_BLOCK = 1 << 16
"""Samples of each channel that are read at once."""
_LOST = 0.1
"""Seconds by which a header may differ from the sound: the padding of encoders."""
_INAUDIBLE = 1e-3
"""Peak of a silent sound, 60 dB below full scale."""
_FULL = 32_766 / 32_768
_CLIPPED = 1e-3
"""Share of samples in flat runs at full scale that a sound without clipping never has."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Limits of sounds, all but the first read from the header.

    Attributes:
        max_bytes: larger files are refused before they are opened.
        max_seconds: longer sounds are refused before they are decoded.
        max_rate: sounds of more samples a second are refused.
        max_channels: sounds of more channels are refused.
    """

    max_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    max_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    max_rate: Annotated[int, Field(ge=1, le=1_000_000)] = 192_000
    max_channels: Annotated[int, Field(ge=1, le=1024)] = 8


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A decoded sound.

    Attributes:
        samples: ``float32 (n,)`` at 16 kHz, one channel, full scale is 1.
        clipped: share of the file's samples that lie in flat runs at full scale.
    """

    samples: NDArray[np.float32]
    clipped: float = 0.0


def guess(column: Column) -> str | None:
    """``modality`` for bytes of a format that is read; an importer finds paths by itself."""
    return "modality" if any(map(sounds.named, column.blobs)) else None


def preview_type(preview: bytes | str) -> str:  # noqa: ARG001
    """Every preview is an MP3 file."""
    return "audio/mpeg"


class AudioKind:
    """Sounds of one modality; decoded they are a ``Sound``."""

    def __init__(self, config: Config, name: str) -> None:
        self.name = name
        self._config = config

    def content(self, raw: Raw) -> bytes:
        """The file itself."""
        if not isinstance(raw, bytes):
            raise BadInput(self.name, f"a {type(raw).__name__}", "the bytes of a sound file")
        if len(raw) > self._config.max_bytes:
            most = f"at most {self._config.max_bytes:,} (max_bytes)"
            raise BadInput(self.name, f"a file of {len(raw):,} bytes", most)
        return raw

    def cost(self, raw: Raw, detail: int = 0) -> int:  # noqa: ARG002
        """Bytes of memory that decoding takes at most, from the header.

        Raises:
            BadInput: too large, of a format that is not read, or a damaged header.
        """
        with self._open(self.content(raw)) as file:
            made = math.ceil(file.frames * RATE / file.samplerate)
            block = min(file.frames, _BLOCK) * file.channels
            # The filter has 20 taps for each of its steps, in double precision while it is made.
            taps = 0 if file.samplerate == RATE else 20 * max(_ratio(file.samplerate))
            most: int = 4 * file.frames + 8 * made + 24 * block + 48 * taps + _BLOCK
            return most

    def seconds(self, raw: Raw) -> float:
        """How long a sound lasts, from the header.

        Raises:
            BadInput: as for `cost`.
        """
        with self._open(self.content(raw)) as file:
            return float(file.frames / file.samplerate)

    def decode(self, raw: Raw, detail: int = 0) -> Sound:  # noqa: ARG002
        """The whole sound.

        Raises:
            BadInput: too large or long, of a format that is not read, damaged, without samples, or
                with samples that are no finite numbers.
        """
        data = self.content(raw)
        with self._open(data) as file:
            mono = np.empty(file.frames, np.float32)
            rate, flat, at = file.samplerate, 0, 0
            for block in self._blocks(file):
                mono[at : at + len(block)] = block.mean(axis=1, dtype=np.float32)
                flat, at = flat + _flat(block), at + len(block)
            clipped = flat / max(1, at * file.channels)
        if sounds.is_cut(data) or at < len(mono) - _LOST * rate:
            raise self._damaged(f"{at / rate:.2f} of {len(mono) / rate:.2f} seconds can be read")
        mono = mono[:at]
        if not at:
            raise BadInput(self.name, "a sound file without samples", "at least one sample")
        peak = max(float(mono.max()), -float(mono.min()))
        if not math.isfinite(peak):
            raise BadInput(self.name, "samples that are infinite or no numbers", "finite ones")
        if peak > 1:
            mono /= np.float32(peak)
        return Sound(samples=_resampled(mono, rate), clipped=clipped)

    def notices(self, value: Sound) -> tuple[str, ...]:
        """``silent`` where nothing can be heard, ``clipped`` where flat tops stand for peaks."""
        found = {
            "silent": float(np.abs(value.samples).max()) < _INAUDIBLE,
            "clipped": value.clipped > _CLIPPED,
        }
        return tuple(name for name, is_so in found.items() if is_so)

    def preview(self, raw: Raw, value: Sound) -> bytes:  # noqa: ARG002
        """The loudest 3 seconds as MP3, which every browser plays."""
        import soundfile  # type: ignore[import-untyped]

        buffer = io.BytesIO()
        quality = {"compression_level": _PREVIEW_SQUEEZE}
        soundfile.write(buffer, _loudest(value.samples), RATE, format="MP3", **quality)
        return buffer.getvalue()

    def schema(self) -> dict[str, Any]:
        """Base64 text."""
        return {"type": "string", "contentEncoding": "base64"}

    def example(self) -> str:
        """A short tone, small enough to read in the page of the interface."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setparams((1, 1, RATE, 0, "NONE", ""))
            file.writeframes(bytes(128 + (60 if n % 16 < 8 else -60) for n in range(64)))
        return base64.b64encode(buffer.getvalue()).decode()

    def _open(self, data: bytes) -> Any:  # noqa: ANN401
        """Read the header only, and check it."""
        import soundfile

        if (claimed := sounds.named(data)) is None:
            got = f"{len(data):,} bytes that start with {data[:8].hex(' ') or 'nothing'}"
            raise BadInput(self.name, got, f"a sound ({sounds.NAMES})")
        try:
            file = soundfile.SoundFile(io.BytesIO(data))
        except (soundfile.SoundFileError, ValueError, TypeError) as error:
            got = f"a file that starts as {claimed} and is damaged or of a form that is not read"
            raise BadInput(self.name, got, f"a sound ({sounds.NAMES})") from error
        seconds, limits = file.frames / file.samplerate, self._config
        for value, most, unit in (
            (file.channels, limits.max_channels, "channels"),
            (file.samplerate, limits.max_rate, "samples a second"),
            (seconds, limits.max_seconds, "seconds"),
        ):
            if value > most:
                file.close()
                got = f"a sound of {value:,.10g} {unit}"
                raise BadInput(self.name, got, f"at most {most:,.10g} {unit}")
        return file

    def _blocks(self, file: Any) -> Iterator[NDArray[np.float32]]:  # noqa: ANN401
        """Samples ``(n, channels)``, no more than the header promises."""
        import soundfile

        left = file.frames
        while left > 0:
            try:
                block = file.read(min(left, _BLOCK), dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise self._damaged(str(error)) from error
            if not len(block):
                return
            left -= len(block)
            yield block

    def _damaged(self, why: str) -> BadInput:
        got = f"a damaged sound file ({why})"
        return BadInput(self.name, got, "a sound that decodes in full")


def _flat(block: NDArray[np.float32]) -> int:
    """Samples of ``(n, channels)`` that equal both neighbours at full scale."""
    inner = block[1:-1]
    level = (inner == block[:-2]) & (inner == block[2:]) & (np.abs(inner) >= _FULL)
    return int(level.sum())


def _ratio(rate: int) -> tuple[int, int]:
    """Up and down, the smallest whole numbers that turn a rate into 16 kHz."""
    common = math.gcd(rate, RATE)
    return RATE // common, rate // common


def _resampled(mono: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    if rate == RATE:
        return mono
    return resampled(mono, *_ratio(rate))


def _loudest(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The stretch of a preview's length that has most energy, the first of equal ones."""
    length, step = PREVIEW_SECONDS * RATE, RATE // 4
    if len(samples) <= length:
        return samples
    energy = np.cumsum(np.square(samples, dtype=np.float64))
    starts = np.arange(0, len(samples) - length, step)
    start = int(starts[np.argmax(energy[starts + length] - energy[starts])])
    return samples[start : start + length]


def build(config: Config, *, name: str, columns: dict[str, Any]) -> AudioKind:  # noqa: ARG001
    """Sounds of a modality; the manifest's columns do not shape them."""
    return AudioKind(config, name)
