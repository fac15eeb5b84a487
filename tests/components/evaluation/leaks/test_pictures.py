"""Copies of pictures are found although they were cut or encoded again, and no others."""

import io

import numpy as np
from PIL import Image, ImageFilter
from scipy.fft import dctn

from components.evaluation.leaks import pictures


def scene(rng):
    """A smooth picture of 160 x 120 pixels, unlike any other."""
    noise = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    return noise.resize((160, 120), Image.Resampling.BICUBIC)


def again(picture):
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=40)
    return Image.open(data).convert("RGB")


def test_copies_are_found_cut_shrunk_and_encoded_again_and_other_pictures_are_not():
    rng = np.random.default_rng(0)
    scenes = [scene(rng) for _ in range(60)]
    changed = [
        again(scenes[0]),
        again(scenes[1].crop((12, 3, 150, 110))),
        scenes[2].crop((0, 10, 140, 120)),
        scenes[3].resize((50, 50)),
        scenes[4].filter(ImageFilter.GaussianBlur(1)),
    ]
    thumbnails = np.stack([pictures.thumbnail(picture) for picture in (*scenes, *changed)])
    found = {(a, b) for a, b, _ in pictures.copies(thumbnails)}
    assert found == {(n, 60 + n) for n in range(5)}


def test_flat_pictures_are_no_copies_of_each_other():
    flat = [Image.new("RGB", (60, 60), (grey, grey, grey)) for grey in range(0, 250, 10)]
    thumbnails = np.stack([pictures.thumbnail(picture) for picture in flat])
    assert list(pictures.copies(thumbnails)) == []


def test_there_may_be_one_picture_or_none():
    assert list(pictures.copies(np.zeros((0, 48, 48), np.uint8))) == []
    assert list(pictures.copies(np.zeros((1, 48, 48), np.uint8))) == []


def test_the_hash_of_the_whole_has_the_signs_of_scipys_cosine_transform():
    rng = np.random.default_rng(1)
    thumbnail = pictures.thumbnail(scene(rng))
    points = (np.arange(32) + 0.5) / 32 * 48 - 0.5
    rows = np.stack([np.interp(points, np.arange(48), row) for row in thumbnail.astype(float)])
    samples = np.stack([np.interp(points, np.arange(48), row) for row in rows.T]).T
    waves = dctn(samples, type=2)[:9, :9] / 4
    order = np.argsort(np.add.outer(np.arange(9), np.arange(9)).ravel(), kind="stable")[1:65]
    lowest = waves.ravel()[order]
    wanted = np.packbits(lowest > np.median(lowest)).view(np.uint64)[0]
    assert pictures._hashes(thumbnail[None])[0, 0] == wanted
