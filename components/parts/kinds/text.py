"""Text: any string that UTF-8 can hold.

Source: The Unicode Standard 15.0, 2022, section 3.9: UTF-8 cannot hold half a surrogate pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from components.core.errors import BadInput
from components.parts.contracts import Raw
from components.parts.guess import Column

RAW = "text"
VERSION = 1
LIBRARIES: tuple[str, ...] = ()
ENCODERS = ("minilm", "ngrams")
SUFFIXES: tuple[str, ...] = ()
MEDIA_TYPES: dict[str, str] = {}
ACCEPTS = "text"
PREVIEW_CHARACTERS = 300
_WORDS, _LETTERS = 2, 10
"""Words or letters of a mean cell from which on a column is text; shorter ones are names."""


def guess(column: Column) -> str | None:
    """``modality`` for cells of several words, or of long ones, in any script; never for codes."""
    return "modality" if column.words >= _WORDS or column.letters >= _LETTERS else None


def suited(texts: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    """The multilingual encoder, not the English one, for texts mostly not in Latin script."""
    from components.parts.encoders import _scripts

    if _scripts.mostly_latin(texts):
        return None
    from components.parts.encoders import e5

    found = "texts are mostly not in Latin script"
    if (missing := e5.missing()) is not None:
        return ENCODERS, f"{found}, but {missing}"
    return ("e5", "ngrams"), found


def preview_type(preview: bytes | str) -> str:  # noqa: ARG001
    """Media type of a preview."""
    return "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Limits of text.

    Attributes:
        max_characters: longer text is refused.
    """

    max_characters: Annotated[int, Field(ge=1)] = 20_000


class TextKind:
    """Texts of one modality; decoded they are themselves."""

    def __init__(self, config: Config, name: str) -> None:
        self.name = name
        self._config = config

    def content(self, raw: Raw) -> bytes:
        """The text in UTF-8."""
        return self.decode(raw).encode()

    def decode(self, raw: Raw, detail: int = 0) -> str:  # noqa: ARG002 - text has no resolution
        """The text itself.

        Raises:
            BadInput: not text, too long, or not encodable.
        """
        if not isinstance(raw, str):
            raise BadInput(self.name, f"a {type(raw).__name__}", "text")
        most = self._config.max_characters
        if len(raw) > most:
            raise BadInput(
                self.name, f"{len(raw):,} characters", f"at most {most:,} (max_characters)"
            )
        try:
            raw.encode()
        except UnicodeEncodeError as error:
            wanted = "text that UTF-8 can hold"
            raise BadInput(self.name, "text with half a surrogate pair", wanted) from error
        return raw

    def preview(self, raw: Raw, value: str) -> str:  # noqa: ARG002
        """The beginning of the text."""
        if len(value) <= PREVIEW_CHARACTERS:
            return value
        return value[: PREVIEW_CHARACTERS - 1] + "…"

    def schema(self) -> dict[str, Any]:
        """Text."""
        return {"type": "string"}

    def example(self) -> str:
        """A phrase."""
        return "a few words about the record"


def build(config: Config, *, name: str, columns: dict[str, Any]) -> TextKind:  # noqa: ARG001
    """Texts of a modality; the manifest's columns do not shape them."""
    return TextKind(config, name)
