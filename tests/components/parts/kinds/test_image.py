import io

import numpy as np
import pytest
import torch
from PIL import Image

from components.core.errors import BadInput, UsageError
from components.parts.kinds import image


def build(**options):
    return image.build(image.Config(**{"size": (16, 12), **options}), name="picture", columns={})


def encoded(array, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (40, 30, 3))


def test_a_picture_of_the_right_size_comes_through_unchanged():
    pixels = np.random.default_rng(1).integers(0, 255, (16, 12, 3))
    assert np.array_equal(build().encode([encoded(pixels)])[0], pixels)


def test_grey_has_one_channel():
    found = build(colour=False).encode([encoded(np.full((5, 5, 3), 80))])
    assert found.shape == (1, 16, 12, 1)
    assert (found == 80).all()


def test_scaling_is_close_to_the_mean_of_what_it_covers():
    """Oracle: block means, which bilinear scaling by a whole factor comes near."""
    smooth = np.kron(np.arange(16 * 12).reshape(16, 12) % 200, np.ones((4, 4)))
    found = build(colour=False).encode([encoded(smooth)])[0, :, :, 0]
    assert np.abs(found.astype(int) - np.arange(16 * 12).reshape(16, 12) % 200).mean() < 12


def test_transparent_parts_are_white_and_a_turned_picture_stands_upright():
    clear = np.zeros((16, 12, 4))
    assert (build().encode([encoded(clear)]) == 255).all()
    wide = np.zeros((12, 16, 3))
    wide[:, :8] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    found = build().encode([encoded(wide, "JPEG", exif=exif, quality=100)])[0]
    assert found[:6].mean() > 200
    assert found[-6:].mean() < 60


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_allowed_format_is_read(photo, form):
    assert build().encode([encoded(photo, form)]).shape == (1, 16, 12, 3)


def truncated(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "start with nothing"),
        (b"not a picture", "start with"),
        ("text", "a str"),
        (truncated(encoded(np.random.default_rng(0).integers(0, 255, (40, 30, 3)))), "damaged PNG"),
        (
            truncated(encoded(np.random.default_rng(0).integers(0, 255, (40, 30, 3)), "JPEG")),
            "damaged JPEG",
        ),
        (encoded(np.zeros((120, 100))), "100 x 120 pixels"),
        (bytes(5001), "5,001 bytes"),
    ],
)
def test_bad_pictures_are_refused_with_field_and_limit(raw, says):
    with pytest.raises(BadInput, match=says) as caught:
        build(max_bytes=5000, max_pixels=10_000).check(raw)
    assert caught.value.field == "picture"


def test_a_bomb_is_refused_by_its_header():
    """A PNG header that claims 60000 x 60000 pixels, with nothing behind it."""
    data = bytearray(encoded(np.zeros((4, 4))))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(BadInput, match="pixels"):
        build().check(bytes(data))


def test_a_preview_is_small_and_a_small_file_is_its_own(photo):
    small = encoded(photo)
    assert build().preview(small) == small
    shown = build().preview(encoded(np.zeros((400, 200, 3)), "JPEG"))
    assert max(Image.open(io.BytesIO(shown)).size) <= 96


def test_training_views_move_and_mirror_whole_pictures():
    encoder = build(shift=0.2, flip=True).encoder()
    picture = torch.zeros(64, 16, 12, 3, dtype=torch.uint8)
    picture[:, 8, 3] = 200
    torch.manual_seed(0)
    views = encoder.augment(picture)
    assert views.shape == picture.shape
    assert views.dtype == torch.uint8
    places = views[..., 0].flatten(1).argmax(1)
    columns = {int(p) % 12 for p in places}
    assert min(columns) < 6 <= max(columns)
    assert all(int(v.float().max()) == 200 for v in views)


def test_no_augmentation_changes_nothing():
    picture = torch.randint(0, 255, (8, 16, 12, 3), dtype=torch.uint8)
    assert torch.equal(build(shift=0.0).encoder().augment(picture), picture)


@pytest.mark.parametrize(
    "options",
    [{"size": (4, 4)}, {"widths": (12,), "strides": (1,)}, {"strides": (2,)}, {"shift": 0.9}],
)
def test_wrong_options_say_what_is_wanted(options):
    with pytest.raises(UsageError, match=r"got .* wanted"):
        build(**options)
