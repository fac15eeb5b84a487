"""Media files that somebody damaged, swapped or made to harm, each drawn from a seed."""

import gzip
import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests import sounds

PICTURES = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "ICO", "PPM", "JPEG2000")
SOUNDS = ("WAV", "FLAC", "MP3", "OGG", "AIFF")
_LARGEST = b"\xff\xff\xff\xff"


def files(n: int, seed: int = 0, *, bombs: bool = True) -> Iterator[tuple[str, bytes]]:
    """So many files with what was done to them; bombs, which take a while to make, come first."""
    draw = random.Random(seed)
    whole = {**_pictures(), **_sounds(), **_others()}
    made = 0
    for name, raw in (_bombs() if bombs else {}).items():
        yield name, raw
        made += 1
    names = sorted(whole)
    while made < n:
        name = draw.choice(names)
        change = draw.choice((_cut, _flipped, _header, _spliced, _zeroed, _grown, _largest))
        yield f"{name} {change.__name__[1:]}", change(whole[name], whole[draw.choice(names)], draw)
        made += 1


def _cut(raw: bytes, _: bytes, draw: random.Random) -> bytes:
    return raw[: draw.randrange(len(raw) + 1)]


def _flipped(raw: bytes, _: bytes, draw: random.Random) -> bytes:
    found = bytearray(raw)
    for _ in range(draw.choice((1, 1, 4, 64))):
        found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    return bytes(found)


def _header(raw: bytes, _: bytes, draw: random.Random) -> bytes:
    found = bytearray(raw)
    for _ in range(draw.randint(1, 6)):
        found[draw.randrange(min(64, len(found)))] = draw.randrange(256)
    return bytes(found)


def _spliced(raw: bytes, other: bytes, draw: random.Random) -> bytes:
    return raw[: draw.randrange(len(raw) + 1)] + other[draw.randrange(len(other) + 1) :]


def _zeroed(raw: bytes, _: bytes, draw: random.Random) -> bytes:
    begin = draw.randrange(len(raw))
    size = min(draw.choice((4, 32, 500)), len(raw) - begin)
    return raw[:begin] + bytes(size) + raw[begin + size :]


def _grown(raw: bytes, _: bytes, draw: random.Random) -> bytes:
    begin = draw.randrange(len(raw))
    return raw[:begin] + draw.randbytes(draw.choice((1, 8, 4096))) + raw[begin:]


def _largest(raw: bytes, _: bytes, draw: random.Random) -> bytes:
    begin = draw.randrange(min(200, len(raw)))
    return raw[:begin] + _LARGEST + raw[begin + 4 :]


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def _pictures() -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 4), dtype=np.uint8)
    full = Image.fromarray(pixels)
    found = {form: _saved(full.convert("RGB"), form) for form in PICTURES}
    for mode in ("P", "L", "LA", "RGBA", "1"):
        found[f"PNG {mode}"] = _saved(full.convert("L").convert(mode), "PNG")
    found["PNG palette with transparency"] = _saved(full.convert("P"), "PNG", transparency=0)
    found["PNG 16 bit"] = _saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG")
    moving = [full.convert("P"), full.rotate(90).convert("P")]
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        found[f"{form} moving"] = _saved(moving[0], form, save_all=True, append_images=moving[1:])
    found["JPEG progressive"] = _saved(full.convert("CMYK"), "JPEG", progressive=True)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        found[f"TIFF {compression}"] = _saved(full.convert("RGB"), "TIFF", compression=compression)
    return found


def _sounds() -> dict[str, bytes]:
    found = {form: sounds.encoded(sounds.wave(440, 0.2), container=form) for form in SOUNDS}
    for kind in ("PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"):
        found[f"WAV {kind}"] = sounds.encoded(sounds.wave(440, 0.2), subtype=kind)
    return found


def _others() -> dict[str, bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../a.png", b"a" * 5000)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return {
        "SVG": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg"><text>&b;</text></svg>',
        "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n%%EOF",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(/etc/passwd) (r) file\n",
        "zip": zipped.getvalue(),
        "gz": gzip.compress(b"a" * 5000),
        "tar": tarred.getvalue(),
        "text": b"{}" * 50,
    }


def _bombs() -> dict[str, bytes]:
    """Small files that ask for gigabytes, or that promise hours."""
    many = Image.new("P", (10_000, 5_000))
    many.putpalette(bytes(range(256)) * 3)
    found = {
        "palette of 50 megapixels": _saved(many, "PNG", transparency=0),
        "16 bit of 25 megapixels": _saved(Image.new("I;16", (5_000, 5_000)), "PNG"),
        "GIF of 16 megapixels": _saved(Image.new("P", (4_000, 4_000)), "GIF"),
        "WEBP of 16000 x 16000": _saved(Image.new("L", (16_000, 16_000)), "WEBP", quality=1),
        "TIFF of 16 megapixels": _saved(many, "TIFF", compression="packbits"),
        "zip bomb": _zip_bomb(),
        "gz bomb": gzip.compress(bytes(100_000_000), 9),
        "gz of gz": gzip.compress(gzip.compress(bytes(100_000_000), 9), 9),
        "tar of zeros": gzip.compress(tarfile.TarInfo("a").tobuf() + bytes(50_000_000), 9),
    }  # fmt: skip
    for chunk in ("zTXt", "iTXt", "iCCP"):
        found[f"{chunk} of 200 MB"] = _with_chunk(chunk)
    header = Image.new("L", (8, 8))
    for width, height in ((2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1, 2**31 - 1), (0, 0)):
        raw = bytearray(_saved(header, "PNG"))
        raw[16:24] = struct.pack(">II", width, height)
        raw[29:33] = struct.pack(">I", zlib.crc32(bytes(raw[12:29])))
        found[f"PNG that says {width} x {height}"] = bytes(raw)
    found |= _long_sounds()
    return found


def _zip_bomb() -> bytes:
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", bytes(50_000_000))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in range(30):
            archive.writestr(f"{name}.zip", inner.getvalue())
    return outer.getvalue()


def _with_chunk(name: str) -> bytes:
    packed = zlib.compress(bytes(200_000_000), 9)
    before = {"zTXt": b"a\0\0", "iTXt": b"a\0\1\0\0\0", "iCCP": b"a\0\0"}[name]
    raw = _saved(Image.new("RGB", (8, 8)), "PNG")
    body = name.encode() + before + packed
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return raw[:33] + chunk + raw[33:]  # after the header


def _long_sounds() -> dict[str, bytes]:
    """Headers that promise hours, with and without the samples."""
    found = {}
    wave = bytearray(sounds.encoded(sounds.wave(440, 0.2)))
    wave[4:8] = wave[40:44] = struct.pack("<I", 2**32 - 100)
    found["WAV that says hours"] = bytes(wave)
    wave[24:28] = struct.pack("<I", 2**32 - 1)
    found["WAV that says 4 GHz"] = bytes(wave)
    wave[22:24] = struct.pack("<H", 65_535)
    found["WAV that says 65535 channels"] = bytes(wave)
    flac = bytearray(sounds.encoded(sounds.wave(440, 0.2), container="FLAC"))
    flac[21:26] = bytes([flac[21] | 0x0F, 255, 255, 255, 255])
    found["FLAC that says 2^36 samples"] = bytes(flac)
    for form in ("FLAC", "OGG", "MP3"):
        silence = np.zeros(2_000_000)
        found[f"{form} of four minutes"] = sounds.encoded(silence, 8_000, container=form)
    found["MP3 many times"] = sounds.encoded(sounds.wave(440, 1), container="MP3") * 500
    found["OGG many times"] = sounds.encoded(sounds.wave(440, 1), container="OGG") * 200
    return found
