"""Copies of pictures: encoded again, resized or cropped.

A picture has a hash of the whole, and one of each of 81 windows; a crop's hash is like that of the
window it was cut from. Candidates share 15 of 16 bits somewhere (buckets, no N²). They are copies
where the crop, laid over the other picture as well as it fits, correlates with it.

Source: perceptual hash by signs of the cosine transform, Zauner 2010 (Implementation and
Benchmarking of Perceptual Image Hash Functions); registration by Gauss-Newton steps, Lucas & Kanade
1981. ImageHash has neither windows nor candidates, and would bring PyWavelets for ten lines.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 48
"""Pixels of a thumbnail's side."""
_COSINES, _BITS, _SAMPLES = 9, 64, 32
_STARTS = (
    (0.0, 1.0),
    *((0.0, 0.9), (0.05, 0.95), (0.1, 1.0)),
    *((0.0, 0.8), (0.05, 0.85), (0.1, 0.9), (0.15, 0.95), (0.2, 1.0)),
)
"""Stretches of each axis whose combinations are the windows; the first is the whole."""
_BANDS = 8
"""Stretches of 16 bits, each half a stretch after the last, so that most errors miss one."""
_COMMON = 256
"""Pictures in a bucket from which on its key is too common to tell anything."""
_FAR = 14
"""Differing bits of 64 from which on a pair is not a candidate."""
_MOST = 8
"""Candidates of a picture that are compared, the nearest first."""
_QUERIES = 512
_STEPS = 5
_STRIDE = 0.04
_SMALLEST = 0.6
"""Share of a side that a crop keeps at least."""
_LEFT, _LEAST, _ENOUGH = 0.15, 0.9, 0.985
"""A copy leaves this share of what the set's usual candidates leave unexplained, within limits."""
_SAMPLE = 1024
"""Candidates from which the usual distance is estimated."""
_FLAT = 4.0
"""Standard deviation of grey values below which a picture shows too little to be told apart."""


def thumbnail(picture: Image.Image) -> NDArray[np.uint8]:
    """Grey values ``(48, 48)`` of the whole picture."""
    return np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def copies(thumbnails: NDArray[np.uint8]) -> Iterator[tuple[int, int, float]]:
    """Pairs of copies among thumbnails ``(n, 48, 48)``, and how alike they are (at most 1)."""
    hashes = np.concatenate(
        [_hashes(thumbnails[at : at + _QUERIES]) for at in range(0, len(thumbnails), _QUERIES)]
        or [np.zeros((0, len(_STARTS) ** 2), np.uint64)]
    )
    alike: float | None = None
    for pairs, windows in _candidates(hashes):
        if alike is None:
            alike = _threshold(thumbnails, pairs[:_SAMPLE], windows[:_SAMPLE])
        values = _likeness(thumbnails, pairs, windows, alike)
        for (a, b), value in zip(pairs.tolist(), values.tolist(), strict=True):
            if value >= alike:
                yield min(a, b), max(a, b), value


def _threshold(
    thumbnails: NDArray[np.uint8], pairs: NDArray[np.int64], windows: NDArray[np.int64]
) -> float:
    """Correlation from which on a candidate is a copy, by how alike most candidates are.

    Products on white are alike, and posters are not.
    """
    usual = _likeness(thumbnails, pairs, windows, 0.0)
    middle = float(np.median(usual)) if len(usual) else 0.0
    return min(max(1.0 - _LEFT * (1.0 - middle), _LEAST), _ENOUGH)


def _maps() -> NDArray[np.float32]:
    """``(stretches * cosines, 48)``: the lowest cosines of each stretch of an axis."""
    at = np.arange(_SAMPLES)
    cosines = np.cos(np.pi * (2 * at + 1) * np.arange(_COSINES)[:, None] / (2 * _SAMPLES))
    rows = [
        cosines @ _linear(np.array([start]), np.array([end]), _SAMPLES)[0] for start, end in _STARTS
    ]
    return np.concatenate(rows).astype(np.float32)


def _linear(
    start: NDArray[Any], end: NDArray[Any], samples: int, side: int = SIDE
) -> NDArray[np.float32]:
    """``(n, samples, side)``: weights that read evenly spaced points of stretches of an axis."""
    points = (np.arange(samples) + 0.5) / samples
    where = (start[:, None] + points * (end - start)[:, None]) * side - 0.5
    distance = np.abs(np.clip(where, 0, side - 1)[:, :, None] - np.arange(side))
    weights: NDArray[np.float32] = np.maximum(0.0, 1.0 - distance).astype(np.float32)
    return weights


def _hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """``(n, 81)``: 64 signs of each window; the first window is the whole."""
    maps, parts = _maps(), len(_STARTS)
    waves = maps @ thumbnails.astype(np.float32) @ maps.T
    grid = waves.reshape(-1, parts, _COSINES, parts, _COSINES).transpose(0, 1, 3, 2, 4)
    order = np.add.outer(np.arange(_COSINES), np.arange(_COSINES)).ravel()
    lowest = np.argsort(order, kind="stable")[1 : _BITS + 1]
    chosen = grid.reshape(-1, parts * parts, _COSINES**2)[:, :, lowest]
    signs = chosen > np.median(chosen, axis=2, keepdims=True)
    packed = np.ascontiguousarray(np.packbits(signs, axis=2))
    return packed.view(np.uint64)[:, :, 0]


def _candidates(
    hashes: NDArray[np.uint64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs ``(k, 2)`` of a picture and a likely crop of it, and the windows ``(k,)``."""
    whole = np.ascontiguousarray(hashes[:, 0])
    bands = _banded(whole)
    order = np.argsort(bands, axis=0, kind="stable").astype(np.int64)
    first = np.stack(
        [np.searchsorted(bands[order[:, b], b], np.arange(2**16 + 1)) for b in range(_BANDS)]
    )
    flips = np.concatenate([[0], 1 << np.arange(16)]).astype(np.uint16)
    for at in range(0, len(hashes), _QUERIES):
        asked = np.ascontiguousarray(hashes[at : at + _QUERIES])
        keys = _banded(asked)
        found = [
            _bucketed(keys[..., b] ^ flip, first[b], order[:, b])
            for b in range(_BANDS)
            for flip in flips
        ]
        source, window, other = (np.concatenate(part) for part in zip(*found, strict=True))
        far = np.bitwise_count(asked[source, window] ^ whole[other])
        keep = (far <= _FAR) & (source + at != other)
        yield _nearest(source[keep] + at, window[keep], other[keep], far[keep])


def _banded(hashes: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """``(..., 8)``: the bands of each hash."""
    turned = (hashes << np.uint64(8)) | (hashes >> np.uint64(56))
    return np.stack([hashes, turned], axis=-1).view(np.uint16)


def _bucketed(
    keys: NDArray[np.uint16],
    first: NDArray[np.int64],
    order: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Query, window and picture of each hit of one band; common keys are left out."""
    start, size = first[keys], first[keys.astype(np.int64) + 1] - first[keys]
    size = np.where(size > _COMMON, 0, size)
    query, window = np.nonzero(size)
    length = size[query, window]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    other = order[np.repeat(start[query, window], length) + within]
    return np.repeat(query, length), np.repeat(window, length), other


def _nearest(
    source: NDArray[np.int64],
    window: NDArray[np.int64],
    other: NDArray[np.int64],
    far: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best window of each pair, of the nearest pairs of each picture."""
    best = np.lexsort((far, other, source))
    source, window, other, far = source[best], window[best], other[best], far[best]
    new = np.ones(len(source), bool)
    new[1:] = (source[1:] != source[:-1]) | (other[1:] != other[:-1])
    source, window, other, far = source[new], window[new], other[new], far[new]
    by_distance = np.lexsort((other, far, source))
    source, window, other = source[by_distance], window[by_distance], other[by_distance]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    keep = rank < _MOST
    return np.stack([source[keep], other[keep]], axis=1), window[keep]


def _likeness(
    thumbnails: NDArray[np.uint8],
    pairs: NDArray[np.int64],
    windows: NDArray[np.int64],
    alike: float,
) -> NDArray[np.float32]:
    """Correlation ``(k,)`` of each crop with the part of its picture that fits best.

    It is 0 where a rough fit shows that it stays below ``alike``.
    """
    starts = np.array(_STARTS, np.float32)
    x, y = starts[windows % len(_STARTS)], starts[windows // len(_STARTS)]
    boxes = np.concatenate([x, y], axis=1)
    found = np.zeros(len(pairs), np.float32)
    for at in range(0, len(pairs), _QUERIES):
        rows = np.arange(at, min(at + _QUERIES, len(pairs)))
        for shrink, enough in ((4, alike - 0.2), (2, alike - 0.1), (1, alike)):
            source, crop = _shrunk(thumbnails[pairs[rows]], shrink).transpose(1, 0, 2, 3)
            fits, boxes[rows] = _registered(source, crop, boxes[rows])
            found[rows] = np.where(crop.std(axis=(1, 2)) < _FLAT, 0.0, fits * (fits >= enough))
            rows = rows[found[rows] > 0]
            if not len(rows):
                break
    return found


def _shrunk(pictures: NDArray[np.uint8], by: int) -> NDArray[np.float32]:
    """``(k, 2, 48 / by, 48 / by)``: means of squares, which a rough fit converges on."""
    side = SIDE // by
    squares = pictures.reshape(len(pictures), 2, side, by, side, by)
    means: NDArray[np.float32] = squares.mean(axis=(3, 5), dtype=np.float32)
    return means


def _registered(
    source: NDArray[np.float32], crop: NDArray[np.float32], box: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The best correlation ``(k,)`` over Gauss-Newton steps, and its boxes ``(k, 4)``."""
    side = source.shape[1]
    points = ((np.arange(side // 2) + 0.5) / (side // 2)).astype(np.float32)
    reads = _linear(np.zeros(1), np.ones(1), side // 2, side)
    wanted = _centred(reads @ crop @ reads.transpose(0, 2, 1))
    slope_y, slope_x = np.gradient(source, axis=(1, 2))
    best, best_box = np.zeros(len(crop), np.float32), box
    for _ in range(_STEPS):
        down = _linear(box[:, 2], box[:, 3], side // 2, side)
        across = _linear(box[:, 0], box[:, 1], side // 2, side).transpose(0, 2, 1)
        seen = _centred(down @ source @ across)
        fits = _correlation(seen, wanted)
        best_box = np.where((fits > best)[:, None], box, best_box)
        best = np.maximum(best, fits)
        by_x: NDArray[Any] = side * (down @ slope_x @ across)
        by_y: NDArray[Any] = side * (down @ slope_y @ across)
        columns = (
            by_x * (1 - points),
            by_x * points,
            by_y * (1 - points)[:, None],
            by_y * points[:, None],
        )
        slopes = np.stack([*map(_centred, columns), -wanted], axis=2)
        step = np.clip(_solved(slopes, -seen)[:, :4], -_STRIDE, _STRIDE)
        box = _allowed(box + step)
    return best, best_box


def _allowed(box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes inside the picture that keep the least share of each side."""
    box = np.clip(box, 0.0, 1.0)
    for low, high in ((0, 1), (2, 3)):
        box[:, high] = np.maximum(box[:, high], np.minimum(box[:, low] + _SMALLEST, 1.0))
        box[:, low] = np.minimum(box[:, low], box[:, high] - _SMALLEST)
    return box


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of centred rows ``(k, points)``; 0 where one is flat."""
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    fits: NDArray[np.float32] = np.where(
        scale > 0, (a * b).sum(axis=1) / np.maximum(scale, 1e-9), 0
    )
    return fits


def _centred(values: NDArray[Any]) -> NDArray[np.float32]:
    """``(k, points)`` without their mean."""
    flat = values.reshape(len(values), -1)
    centred: NDArray[np.float32] = flat - flat.mean(axis=1, keepdims=True)
    return centred


def _solved(slopes: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Least squares of each system, a little damped: ``(k, points, p)`` and ``(k, points)``."""
    turned = slopes.transpose(0, 2, 1)
    square = (turned @ slopes).astype(np.float64)
    size = np.trace(square, axis1=1, axis2=2)[:, None, None]
    damped = square + (1e-4 * size / slopes.shape[2] + 1e-9) * np.eye(slopes.shape[2])
    solution = np.linalg.solve(damped, (turned @ wanted[:, :, None]).astype(np.float64))
    return solution[:, :, 0].astype(np.float32)
