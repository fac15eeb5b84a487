"""Pictures and texts with planted copies: cropped, encoded again, reworded."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.methods._real import DATA
from components.data.media import Media

_FILLER = ("new", "great", "other", "fine")


@dataclass(frozen=True, kw_only=True)
class Records:
    """Originals and copies of them: one picture and text each; a copy lacks what is not copied.

    Attributes:
        pictures: encoded pictures, None where absent.
        texts: texts, None where absent.
        planted: kind of copy to pairs of an original and its copy.
    """

    pictures: list[bytes | None]
    texts: list[str | None]
    planted: dict[str, set[tuple[int, int]]]


def planted(seed: int, *, records: int, copies: int, real: bool) -> Records:
    """Records of a set with as many copies of each kind; drawn ones unless ``real``."""
    rng = np.random.default_rng(seed)
    pictures, texts = _posters(rng, records) if real else _drawn(rng, records)
    found = Records(pictures=[*pictures], texts=[*texts], planted={})
    for kind in ("crop", "encoding", "wording"):
        pairs = set()
        for row in rng.choice(records, copies, replace=False).tolist():
            pairs.add((row, len(found.texts)))
            changed = _changed(kind, pictures[row], texts[row], rng)
            found.pictures.append(changed[0])
            found.texts.append(changed[1])
        found.planted[kind] = pairs
    return found


def _changed(
    kind: str, picture: bytes, text: str, rng: np.random.Generator
) -> tuple[bytes | None, str | None]:
    if kind == "wording":
        return None, _reworded(text, rng)
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if kind == "encoding":
        return _jpeg(image.resize([max(16, 3 * side // 4) for side in image.size]), 50), None
    kept = (rng.uniform(0.85, 0.97, 2) * image.size).astype(int)
    left, top = (int(rng.integers(image.size[n] - kept[n] + 1)) for n in range(2))
    return _jpeg(image.crop((left, top, left + int(kept[0]), top + int(kept[1]))), 75), None


def _reworded(text: str, rng: np.random.Generator) -> str:
    """One word in eight is another, and neighbours are swapped as often; in capitals."""
    words = text.split()
    for _ in range(max(1, len(words) // 8)):
        words[int(rng.integers(len(words)))] = str(rng.choice(_FILLER))
        at = int(rng.integers(max(1, len(words) - 1)))
        words[at : at + 2] = words[at : at + 2][::-1]
    return " ".join(words).upper()


def _jpeg(image: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return data.getvalue()


def _posters(rng: np.random.Generator, records: int) -> tuple[list[Any], list[str]]:
    """Film posters and the first paragraph of an encyclopedia."""
    place = DATA / "movie-posters"
    table = pq.read_table(place / "records.parquet", columns=["image", "text_wiki"]).to_pylist()
    both = [row for row in table if row["image"] and row["text_wiki"]]
    rows = [both[at] for at in rng.choice(len(both), records, replace=False)]
    fetched = Media(str(place)).fetch([row["image"] for row in rows], "image")
    return list(fetched), [row["text_wiki"] for row in rows]


def _drawn(rng: np.random.Generator, records: int) -> tuple[list[Any], list[str]]:
    """Smooth clouds of colour, and texts of random words."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, 7)) for _ in range(5 * records)]
    clouds = rng.integers(0, 255, (records, 12, 16, 3), dtype=np.uint8)
    large = (Image.fromarray(c).resize((160, 120), Image.Resampling.BICUBIC) for c in clouds)
    return [_jpeg(c, 95) for c in large], [" ".join(rng.choice(words, 16)) for _ in range(records)]
