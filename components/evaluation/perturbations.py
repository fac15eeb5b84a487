"""Raw values made worse by rule: texts with more in them, errors, blur, clipped sounds.

Severities are 1, 2 and 3. Every perturbation takes its randomness as an argument.

Source: Cross-Modal Attribute Insertions (2023) for insertion and Cross-Modal Content Dilutions
(2022) for dilution, as ideas; the rules are our own.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

Record = Mapping[str, Any]
"""Modality to raw value."""
SEVERITIES = (1, 2, 3)
_INSERTED, _DILUTED = (2, 4, 8), (8, 16, 32)
"""Attributes and words that are added, by severity."""
_ERRORS = (0.05, 0.15, 0.3)
"""Share of words with an error."""
_BLUR = (0.01, 0.02, 0.04)
"""Radius as a share of the longer side."""
_GAIN = (4.0, 16.0, 64.0)
_LETTERS = "etaoinshrdlu"


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a record's text may be made worse with.

    Attributes:
        attributes: words that are true of the record: its categories and sets.
        topic: words of the other record whose text is most like its own.
    """

    attributes: Sequence[str]
    topic: Sequence[str]


def insertion(text: str, severity: int, around: Around, rng: np.random.Generator) -> str:
    """Put true attributes of the record before words of its text."""
    words = text.split()
    count = min(_INSERTED[severity - 1], len(around.attributes))
    for word in rng.choice(np.array(around.attributes, object), count, replace=False):
        words.insert(int(rng.integers(len(words) + 1)), str(word))
    return " ".join(words)


def dilution(text: str, severity: int, around: Around, rng: np.random.Generator) -> str:  # noqa: ARG001
    """Append words on the same topic: those of the nearest other text."""
    return " ".join([text, *around.topic[: _DILUTED[severity - 1]]])


def neutral(text: str, severity: int, around: Around, rng: np.random.Generator) -> str:
    """Append the text's own words, as many as ``dilution`` does: longer, and nothing new."""
    count = len(around.topic[: _DILUTED[severity - 1]])
    return " ".join([text, *rng.choice(np.array(text.split() or [text], object), count)])


def typos(text: str, severity: int, around: Around, rng: np.random.Generator) -> str:  # noqa: ARG001
    """Swap, drop, double or replace a letter of some words."""
    return " ".join(
        _mistyped(word, rng) if rng.random() < _ERRORS[severity - 1] else word
        for word in text.split()
    )


def transcription(text: str, severity: int, around: Around, rng: np.random.Generator) -> str:  # noqa: ARG001
    """Lose some words and join others with the next, without case and punctuation."""
    words, kept = ["".join(c for c in w.casefold() if c.isalnum()) for w in text.split()], [""]
    for word in words:
        if rng.random() >= _ERRORS[severity - 1]:
            kept.append(word)
        elif rng.random() < 1 / 2:
            kept[-1] += word
    return " ".join(filter(None, kept)) or text


def _mistyped(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(word)))
    letter = _LETTERS[int(rng.integers(len(_LETTERS)))]
    forms = (
        word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :] if at else word + word[0],
        (word[:at] + word[at + 1 :]) or letter,
        word[:at] + word[at] + word[at:],
        word[:at] + letter + word[at + 1 :],
    )
    return forms[int(rng.integers(len(forms)))]


def blur(picture: bytes, severity: int, rng: np.random.Generator) -> bytes:  # noqa: ARG001
    """A picture out of focus, as PNG."""
    with Image.open(io.BytesIO(picture)) as opened:
        plain = opened.convert("RGBA" if "transparency" in opened.info else "RGB")
    radius = _BLUR[severity - 1] * max(plain.size)
    data = io.BytesIO()
    plain.filter(ImageFilter.GaussianBlur(radius)).save(data, "PNG")
    return data.getvalue()


def clipping(sound: bytes, severity: int, rng: np.random.Generator) -> bytes:  # noqa: ARG001
    """A sound that was recorded far too loud, as WAV."""
    import soundfile  # type: ignore[import-untyped]

    samples, rate = soundfile.read(io.BytesIO(sound), dtype="float32")
    peak = float(np.abs(samples).max(initial=0.0)) or 1.0
    data = io.BytesIO()
    loud = np.clip(samples / peak * _GAIN[severity - 1], -1.0, 1.0)
    soundfile.write(data, loud, rate, format="WAV")
    return data.getvalue()


OF_TEXT: dict[str, Callable[[str, int, Around, np.random.Generator], str]] = {
    "insertion": insertion,
    "dilution": dilution,
    "neutral": neutral,
    "typos": typos,
    "transcription": transcription,
}
OF_MEDIA: dict[str, dict[str, Callable[[bytes, int, np.random.Generator], bytes]]] = {
    "image": {"blur": blur},
    "audio": {"clipping": clipping},
}


def surroundings(records: Sequence[Record], modality: str) -> list[Around]:
    """What each record's text may be made worse with, from the records themselves."""
    texts = [str(record.get(modality) or "") for record in records]
    words = [set(text.casefold().split()) for text in texts]
    rare: dict[str, list[int]] = {}
    for row, own in enumerate(words):
        for word in own:
            rare.setdefault(word, []).append(row)
    found = []
    for row, own in enumerate(words):
        score = np.zeros(len(records))
        for word in own:
            score[rare[word]] += np.log(len(records) / len(rare[word]))
        score[row] = -1.0
        near = int(score.argmax())
        topic = texts[near].split() if score[near] > 0 else []
        found.append(Around(attributes=_attributes(records[row]), topic=topic))
    return found


def _attributes(record: Record) -> list[str]:
    """Categories and sets of a record's fields, as words."""
    cells = [v for value in record.values() if isinstance(value, dict) for v in value.values()]
    words = [w for cell in cells for w in (cell if isinstance(cell, list) else [cell])]
    return sorted({word for word in words if isinstance(word, str) and word})
