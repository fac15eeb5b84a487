"""Pictures of every mode and format are read as they look, or refused with the reason.

Oracles: numpy scales the full range of the format; Pillow converts modes of 8 bits.
"""

import base64
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from components.core.errors import BadInput, UsageError
from components.features import stored
from components.features.modality import build_modality, rebuilt
from components.parts import loading as parts
from components.parts.kinds import _rgb, image

# 16 x 24 pixels, red above blue, written by libheif 1.21 with x265 (this machine only decodes).
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAX5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAACJpbG9jAAAAAERAAAEAAQAAAAABogABAAAAAAAAAEkAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA"
    "AA5waXRtAAAAAAABAAAA/mlwcnAAAADeaXBjbwAAAHdodmNDAQQIAAAAnjgAAAAAHvAA/P/4+AAADwNgAAEAF0ABDAH//wQI"
    "AAADAJ44AAADAAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VXTXNwENBgQAAADAZAAAAMAEIBiAAEACEQBwXMY"
    "MBiQAAAAE2NvbHJuY2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAAAQAAAAAQAAABgAAAAB////0AAA"
    "AAL////YAAAAAgAAABBwaXhpAAAAAAMICAgAAAAYaXBtYQAAAAAAAAABAAEFgQIDBYQAAABRbWRhdAAAAEUoAa8JyGhNGiOZ"
    "U7/Lf/y3yEvj14N6hglurYu/1WQx69weqrTn7eloy9DsfSZY//L7mz+v/40WmPGvpXpHFajhRQzkI18="
)


def build(**options):
    return parts.load("kinds", "image").build(image.Config(**options), name="scan", columns={})


def read(data, **options):
    return np.asarray(build(**options).decode(data))


def saved(picture, form, **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def grey(pixels):
    return np.repeat(np.asarray(pixels, np.uint8)[..., None], 3, axis=2)


def scaled(values, white, black=0.0):
    share = (np.asarray(values, np.float64) - black) / (white - black)
    return grey(np.floor(np.clip(share, 0, 1) * 255 + 0.5))


def pillow(data):
    """What Pillow makes of modes of 8 bits, on white."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    clear = picture.convert("RGBA")
    return np.asarray(
        Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    )


EIGHT_BITS = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA"],
    "TIFF": ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"],
    "JPEG": ["1", "L", "RGB", "RGBX", "CMYK", "YCbCr"],
    "WEBP": ["L", "RGB", "RGBA", "HSV"],
    "GIF": ["1", "L", "P", "RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
    "PPM": ["1", "L", "RGB"],
    "JPEG2000": ["L", "LA", "RGB", "RGBA", "CMYK"],
    "AVIF": ["L", "RGB", "RGBA"],
}
CASES = [(form, mode) for form, modes in EIGHT_BITS.items() for mode in modes]
DEEP = {
    ("PNG", "I;16"): np.uint16,
    ("TIFF", "I;16"): np.uint16,
    ("TIFF", "I;16B"): np.dtype(">u2"),
    ("TIFF", "I"): np.int32,
    ("TIFF", "F"): np.float32,
    ("PPM", "I"): np.int32,
    ("PPM", "F"): np.float32,
    ("JPEG2000", "I;16"): np.uint16,
}
SEEDS, SIZES = st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 20), st.integers(1, 20))


@settings(max_examples=80, deadline=None)
@given(case=st.sampled_from(CASES), seed=SEEDS, size=SIZES, clear=st.booleans())
def test_modes_of_8_bits_are_read_as_pillow_converts_them(case, seed, size, clear):
    form, mode = case
    rng, probe = np.random.default_rng(seed), Image.new(mode, size)
    picture = Image.frombytes(mode, size, rng.bytes(len(probe.tobytes())))
    if mode in {"P", "PA"}:
        picture.putpalette(rng.bytes(768))
    options = {}
    if clear and form in {"PNG", "GIF"} and mode in {"L", "P"}:
        options["transparency"] = int(np.asarray(picture).flat[0])
    if clear and form == "PNG" and mode == "P":
        options["transparency"] = rng.bytes(256)
    if clear and form == "PNG" and mode == "RGB":
        options["transparency"] = picture.getpixel((0, 0))
    data = saved(picture, form, **options)
    np.testing.assert_array_equal(read(data), pillow(data))


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(sorted(DEEP)), seed=SEEDS, size=SIZES)
def test_modes_of_more_bits_are_scaled_by_the_range_of_the_format(case, seed, size):
    form, mode = case
    rng = np.random.default_rng(seed)
    values = rng.integers(256, 65536, size[::-1])  # the level of a scene, whatever its extremes
    values = np.minimum(values, rng.integers(256, 65536))
    if mode == "F":
        values = values / 65536
    data = saved(Image.fromarray(values.astype(DEEP[case])), form)
    assert Image.open(io.BytesIO(data)).mode == mode
    white = 1 if mode == "F" else 65535
    stored = values.astype(np.float32) if mode == "F" else values
    np.testing.assert_array_equal(read(data), scaled(stored, white))


def test_the_same_scene_has_the_same_pixels_in_8_and_16_bits():
    scene = np.arange(256, dtype=np.uint8).reshape(16, 16)
    deep = Image.fromarray(scene.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read(saved(deep, "PNG")), grey(scene))
    dark = Image.fromarray((scene // 8).astype(np.uint16) * 257)
    np.testing.assert_array_equal(read(saved(dark, "TIFF")), grey(scene // 8))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples, bits, colour, *, trns=None):
    """A PNG file of one row of samples, straight from the specification."""
    if bits == 16:
        row = np.asarray(samples, ">u2").tobytes()
    else:
        row = int("".join(f"{v:0{bits}b}" for v in samples).ljust(8, "0"), 2).to_bytes(1, "big")
    width = len(samples) // (3 if colour == 2 else 1)
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0))]
    if trns is not None:
        chunks.append(chunk(b"tRNS", struct.pack(f">{len(trns)}H", *trns)))
    chunks += [chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png([0, 1], 1, 0, trns=[0]), [255, 255]),
        (png([0, 1, 2], 2, 0, trns=[1]), [0, 255, 170]),
        (png([3, 15], 4, 0, trns=[3]), [255, 255]),
        (png([3, 0], 4, 0, trns=[0]), [51, 255]),
        (png([300, 301, 40000], 16, 0, trns=[300]), [255, 1, 156]),
    ],
)
def test_the_transparent_grey_of_any_depth_is_white(data, expected):
    np.testing.assert_array_equal(read(data), grey([expected]))


def test_one_transparent_colour_of_16_bits_hides_no_other():
    near, far = [2560, 5120, 7680], [2561, 5120, 7680]
    data = png([*near, *far], 16, 2, trns=near)
    assert read(data).tolist() == [[[255, 255, 255], [10, 20, 30]]]


def tiff(values, **tags):
    numbers = {"photometric": 262, "format": 339, "least": 340, "most": 341, "turn": 274}
    return saved(
        Image.fromarray(np.asarray(values)),
        "TIFF",
        tiffinfo={numbers[name]: value for name, value in tags.items()},
    )


def short(values):
    return np.array([values], np.uint16)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (tiff(short([0, 65535]), photometric=0), [255, 0]),
        (tiff(short([0, 32767]), format=2), [0, 255]),
        (tiff(np.array([[0, 1]], np.float32), photometric=0), [255, 0]),
        (tiff(np.array([[0, 50, 200]], np.float32), least=0.0, most=200.0), [0, 64, 255]),
        (tiff(np.array([[0.5, 1]], np.float32), least=0.0, most=2.0), [64, 128]),
        (tiff(np.array([[0, 127]], np.uint8), format=2), [0, 255]),
        (b"P5 2 1 4095\n" + np.array([0, 4095], ">u2").tobytes(), [0, 255]),
        (tiff(np.array([[0, 0]], np.int32)), [0, 0]),
    ],
)
def test_what_a_file_states_about_its_values_counts(data, expected):
    np.testing.assert_array_equal(read(data), grey([expected]))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([[0, np.nan]], np.float32), "infinite or not numbers"),
        (np.array([[0, np.inf]], np.float32), "infinite or not numbers"),
        (np.array([[0, 255]], np.float32), "floats from 0 to 255, wanted values from 0 to 1, or"),
        (np.array([[-0.5, 1]], np.float32), "floats from -0.5 to 1"),
        (np.array([[7, 7]], np.float32), "levels: .BLACK, WHITE."),
        (np.array([[0, 70000]], np.int32), "signed whole numbers of 32 bits from 0 to 70,000"),
        (np.array([[0, 200]], np.int32), "some above 255"),
        (np.array([[-1, 300]], np.int32), "from -1 to 300"),
    ],
)
def test_values_without_a_known_range_are_refused_and_levels_give_it(values, says):
    with pytest.raises(BadInput, match=says):
        read(tiff(values))
    if np.isfinite(values).all():
        black, white = float(values.min()) - 1, float(values.max())
        found = read(tiff(values), levels=(black, white))
        np.testing.assert_array_equal(found, scaled(values, white, black))


def test_levels_apply_to_12_bits_in_16_and_not_to_8():
    values = short([0, 2048, 4095])
    assert read(saved(Image.fromarray(values), "PNG"), levels=(0.0, 4095.0))[0, :, 0].tolist() == [
        0,
        128,
        255,
    ]
    eight = np.array([[0, 128, 255]], np.uint8)
    found = read(saved(Image.fromarray(eight), "PNG"), levels=(0.0, 4095.0))
    np.testing.assert_array_equal(found, grey(eight))


def test_levels_that_are_no_range_are_refused():
    with pytest.raises(UsageError, match="two different numbers"):
        parts.configure("kinds", "image", {"levels": [1, 1]})


def test_other_levels_are_other_inputs_and_none_are_those_of_before():
    def digest(**options):
        return build_modality("scan", "image", options, {}).spec.views[0].digest

    assert digest() == digest(levels=None) == digest(max_pixels=1000)
    assert len({digest(), digest(levels=[0, 4095]), digest(levels=[0, 1])}) == 3


@pytest.mark.parametrize("mode", ["RGBa", "La", "HSV", "RGBX", "PA", "LAB", "I;16L", "I;16N"])
def test_modes_that_only_conversions_make_are_read(mode):
    colours = Image.merge("RGBA", [Image.new("L", (2, 2), v) for v in (200, 100, 50, 255)])
    if mode.startswith("I;16"):
        picture, expected = Image.new(mode, (2, 2), 51400), [200, 200, 200]
    elif mode == "La":
        picture, expected = Image.new("LA", (2, 2), (120, 255)).convert("La"), [120] * 3
    else:
        via = colours if mode in {"RGBa", "PA"} else colours.convert("RGB")
        picture, expected = via.convert(mode), [200, 100, 50]
    found = np.asarray(_rgb.upright_rgb(picture, None, "scan"))
    np.testing.assert_allclose(found, np.full((2, 2, 3), expected), atol=3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_picture_stands_upright(form, turn):
    corners = np.zeros((24, 16, 3), np.uint8)
    corners[:12, :8] = 250
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = Image.fromarray(corners)
    upright = {
        1: corners,
        2: corners[:, ::-1],
        3: corners[::-1, ::-1],
        4: corners[::-1],
        5: corners.transpose(1, 0, 2),
        6: np.rot90(corners, -1),
        7: np.rot90(corners, 2).transpose(1, 0, 2),
        8: np.rot90(corners, 1),
    }[turn]
    found = read(
        saved(stored, form, exif=exif, quality=100)
        if form != "TIFF"
        else saved(stored, form, exif=exif)
    )
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() < 40


def test_damaged_exif_data_do_not_matter():
    data = saved(Image.new("RGB", (3, 2), "red"), "PNG", exif=b"Exif\0\0no such thing")
    assert read(data).tolist() == [[[255, 0, 0]] * 3] * 2


def test_heic_is_read_and_shown_as_something_that_browsers_show():
    found = read(HEIC)
    assert found.shape == (24, 16, 3)
    assert np.abs(found[2, 8].astype(int) - (220, 40, 30)).max() < 10
    assert np.abs(found[-2, 8].astype(int) - (20, 60, 200)).max() < 10
    kind = build()
    assert image.preview_type(kind.preview(HEIC, kind.decode(HEIC))) == "image/jpeg"


@pytest.mark.parametrize("form", ["TIFF", "JPEG2000", "PPM", "BMP", "AVIF"])
def test_previews_of_formats_that_browsers_lack_are_of_those_they_have(form):
    data, kind = saved(Image.new("RGB", (20, 10)), form), build()
    shown = kind.preview(data, kind.decode(data))
    assert image.preview_type(shown) in {"image/png", "image/jpeg"}


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_of_several_frames_the_first_is_read(form):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = saved(frames[0], form, save_all=True, append_images=frames[1:])
    assert np.abs(read(data).astype(int) - (255, 0, 0)).max() < 10


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
FORMS = ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "AVIF"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_cut_file_is_refused_with_its_format(form, share):
    data = saved(NOISE, form)
    with pytest.raises(BadInput, match=r"damaged|start with") as caught:
        read(data[: int(len(data) * share)])
    assert caught.value.field == "scan"


def test_a_cut_heic_file_and_a_cut_progressive_jpeg_are_refused():
    for data in (HEIC[:-40], saved(NOISE, "JPEG", progressive=True)[:-600]):
        with pytest.raises(BadInput, match="damaged"):
            read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"8BPS\0\1" + bytes(40),
        b"P6 0 5 255\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_formats_of_programs_and_pictures_without_pixels_are_refused(data):
    with pytest.raises(BadInput):
        read(data)


def test_every_suffix_has_a_media_type_and_is_read_or_told():
    from components.parts.kinds import _formats

    assert {".heic", ".heif", ".avif", ".jp2", ".j2k", ".jfif", ".jpe", ".apng"} <= set(
        image.SUFFIXES
    )
    assert not set(_formats.UNREAD) & set(image.SUFFIXES)


def test_a_colour_profile_changes_no_pixels():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain, tagged = saved(NOISE, "PNG"), saved(NOISE, "PNG", icc_profile=profile)
    np.testing.assert_array_equal(read(plain), read(tagged))


def test_reading_warns_of_nothing():
    palette = Image.new("P", (4, 4))
    palette.putpalette(bytes(range(256)) * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(saved(palette, "PNG", transparency=bytes(range(256))))
    assert found.shape == (4, 4, 3)


def test_a_model_of_the_version_before_is_answered_for_and_of_another_is_not(monkeypatch):
    now = build_modality("scan", "image", {}, {}).spec
    monkeypatch.setattr(image, "VERSION", 2)
    before = build_modality("scan", "image", {}, {}).spec
    monkeypatch.undo()
    assert before.digest() != now.digest()
    assert rebuilt("scan", stored.parse(before.to_json())).spec == now
    monkeypatch.setattr(image, "EARLIER", ())
    with pytest.raises(Exception, match="another version of the decoder"):
        rebuilt("scan", stored.parse(before.to_json()))
