"""The frozen speech embedding inside the package ``pyopen-wakeword``, run by its TFLite library.

Only the two networks that make the embedding are opened: its mel front end and the embedding. They
keep no state between calls, unlike the package's own ``process_streaming``, so a sound's features
never depend on the one before, and no buffer of eight seconds has to be emptied.

Source: speech embedding, Lin et al. 2020 (arXiv:2002.01322): 96 numbers for each window of 775 ms,
one every 80 ms; the package ``pyopen-wakeword`` (Apache License 2.0).
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError
from components.core.refs import digest_bytes, digest_file

DIM = 96
_CHUNK, _OVERLAP = 1280, 480
"""Samples between two embeddings, and those that the front end reads twice."""
_MELS, _WINDOW, _STEP = 32, 76, 8
"""Bands of a spectrum; spectra that an embedding reads, and from one embedding to the next."""
_SILENCE = 5 * _CHUNK
"""Samples of silence on each side, half a window: embeddings are centred within the sound."""
_FREE: list[Any] = []
"""Interpreters that nobody uses; one serves a single sound at a time."""


@lru_cache(maxsize=1)
def _package() -> Any:  # noqa: ANN401
    """The package's module.

    Raises:
        UserError: it is not installed, or does not run here.
    """
    try:
        from pyopen_wakeword import openwakeword
    except (ImportError, OSError) as error:
        raise UserError(
            "the sound encoder 'speech' needs the package pyopen-wakeword, which exists for Linux"
            " on x86-64 with glibc 2.35: pip install 'concord[train]' there, or choose the"
            " encoder 'logmel'"
        ) from error
    return openwakeword


def _networks() -> list[Path]:
    folder = Path(_package().__file__).parent / "models"
    return [folder / "melspectrogram.tflite", folder / "embedding_model.tflite"]


@lru_cache(maxsize=1)
def digest() -> str:
    """SHA-256 over the weights."""
    return digest_bytes(*(digest_file(path).encode() for path in _networks()))


@contextmanager
def _interpreters() -> Iterator[Any]:
    """The package's interpreters of both networks, for one sound."""
    try:
        own = _FREE.pop()
    except IndexError:
        own = _loaded()
    try:
        yield own
    finally:
        _FREE.append(own)


def _loaded() -> Any:  # noqa: ANN401
    try:
        return _package().OpenWakeWordFeatures.from_builtin()
    except OSError as error:
        raise UserError(
            f"the sound encoder 'speech' cannot load the library of pyopen-wakeword ({error}):"
            " it needs Linux on x86-64 with glibc 2.35; or choose the encoder 'logmel'"
        ) from error


def embeddings(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings ``(n, 96)`` of a sound at 16 kHz, at least one.

    Raises:
        UserError: the package is not installed, or does not run here.
    """
    # The front end was trained on samples of 16 bits.
    spoken = np.rint(np.clip(samples, -1, 1) * np.float32(32_767))
    chunks = -(-(len(spoken) + 2 * _SILENCE - _OVERLAP) // _CHUNK)
    padded = np.zeros(chunks * _CHUNK + _OVERLAP, np.float32)
    padded[_SILENCE : _SILENCE + len(spoken)] = spoken
    starts = range(0, chunks * _CHUNK, _CHUNK)
    with _interpreters() as own:
        parts = [_spectra(own, padded[start : start + _CHUNK + _OVERLAP]) for start in starts]
        spectra = np.concatenate(parts)
        windows = range(0, len(spectra) - _WINDOW + 1, _STEP)
        return np.stack([_embedding(own, spectra[start : start + _WINDOW]) for start in windows])


def _spectra(own: Any, samples: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401
    """Spectra ``(8, 32)`` of 1760 samples, scaled as the embedding wants them."""
    found = _run(own.lib, own.mel_interpreter, own.mel_input_tensor, own.mel_output_tensor, samples)
    return found.reshape(-1, _MELS) / np.float32(10) + np.float32(2)


def _embedding(own: Any, spectra: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401
    return _run(own.lib, own.emb_interpreter, own.emb_input_tensor, own.emb_output_tensor, spectra)


def _run(
    lib: Any,  # noqa: ANN401
    network: int,
    given: int,
    made: int,
    values: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The flat output of a network."""
    values = np.ascontiguousarray(values, np.float32)
    out = np.empty(lib.TfLiteTensorByteSize(made) // 4, np.float32)
    place, room = (array.ctypes.data_as(ctypes.c_void_p) for array in (values, out))
    done = (
        lib.TfLiteTensorCopyFromBuffer(given, place, ctypes.c_size_t(values.nbytes)),
        lib.TfLiteInterpreterInvoke(network),
        lib.TfLiteTensorCopyToBuffer(made, room, ctypes.c_size_t(out.nbytes)),
    )
    if any(done):
        raise RuntimeError(f"TFLite answered {done}")
    return out
