"""Text that is read backwards."""

from components.parts.kinds.text import (
    ACCEPTS,
    LIBRARIES,
    MEDIA_TYPES,
    RAW,
    SUFFIXES,
    Config,
    TextKind,
    guess,
    preview_type,
)

VERSION = 1
ENCODERS = ("hashing",)


class Backwards(TextKind):
    def decode(self, raw, detail=0):
        return super().decode(raw)[::-1]


def build(config, *, name, columns):
    return Backwards(config, name)
