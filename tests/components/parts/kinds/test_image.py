import io

import numpy as np
import pytest
from PIL import Image

from components.core.errors import BadInput
from components.parts.kinds import image


def build(**options):
    return image.build(image.Config(**options), name="picture", columns={})


def encoded(array, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(buffer, form, **options)
    return buffer.getvalue()


def pixels(raw, detail=0):
    return np.asarray(build().decode(raw, detail))


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (40, 30, 3))


def test_transparent_parts_are_white_and_a_turned_picture_stands_upright():
    clear = np.zeros((16, 12, 4))
    assert (pixels(encoded(clear)) == 255).all()
    wide = np.zeros((12, 16, 3))
    wide[:, :8] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    found = pixels(encoded(wide, "JPEG", exif=exif, quality=100))
    assert found[:6].mean() > 200
    assert found[-6:].mean() < 60


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_allowed_format_is_read(photo, form):
    assert pixels(encoded(photo, form)).shape == (40, 30, 3)


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
        build(max_bytes=5000, max_pixels=10_000).decode(raw)
    assert caught.value.field == "picture"


def test_a_bomb_is_refused_by_its_header():
    """A PNG header that claims 60000 x 60000 pixels, with nothing behind it."""
    data = bytearray(encoded(np.zeros((4, 4))))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(BadInput, match="pixels"):
        build().decode(bytes(data))


def test_a_preview_is_small_and_a_small_file_is_its_own(photo):
    small = encoded(photo)
    assert build().preview(small, build().decode(small)) == small
    large = encoded(np.zeros((400, 200, 3)), "JPEG")
    shown = build().preview(large, build().decode(large))
    assert max(Image.open(io.BytesIO(shown)).size) <= 96


def test_a_large_photo_is_decoded_no_finer_than_is_read():
    large = encoded(np.zeros((1600, 1600, 3)), "JPEG")
    assert pixels(large).shape == (1600, 1600, 3)
    assert pixels(large, detail=100).shape == (200, 200, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_preview_names_its_media_type(photo, form):
    small = encoded(photo, form)
    preview = build().preview(small, build().decode(small))
    assert image.preview_type(preview) == f"image/{form.lower()}"


def cost(raw, detail=0):
    return build().cost(raw, detail)


def test_the_cost_is_told_by_the_header_and_grows_with_the_pixels(monkeypatch):
    raws = [encoded(np.zeros((side, side, 3)), "PNG") for side in (100, 200)]
    monkeypatch.setattr(Image.Image, "load", None)  # nothing is decoded
    small, large = map(cost, raws)
    assert large == 4 * small >= 4 * 100 * 100 * 4


def test_a_large_photo_costs_what_its_draft_does_unless_it_has_several_scans():
    photo = np.zeros((1600, 1600, 3))
    plain = encoded(photo, "JPEG", subsampling=0)
    progressive = encoded(photo, "JPEG", progressive=True, subsampling=0)
    assert cost(plain, detail=32) == cost(plain) / 64
    assert cost(progressive, detail=32) == cost(plain, detail=32) + 1600 * 1600 * 3 * 2
    thin = encoded(photo, "JPEG", progressive=True, subsampling="4:2:0")
    assert cost(thin, detail=32) == cost(plain, detail=32) + 1600 * 1600 * 3
    assert pixels(plain, detail=32).shape[0] == 1600 // 8


def test_a_baseline_photo_in_several_scans_costs_as_a_progressive_one_does():
    """The first scan names one component of three, in the header of the scan."""
    data = bytearray(encoded(np.zeros((64, 64, 3)), "JPEG"))
    at = data.index(b"\xff\xda\x00\x0c\x03")
    assert cost(bytes(data), detail=8) < cost(
        bytes(data[: at + 4] + b"\1" + data[at + 5 :]), detail=8
    )
