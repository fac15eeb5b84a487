import pytest

from components.core.errors import BadInput
from components.parts.kinds import text


def build(**options):
    return text.build(text.Config(**options), name="title", columns={})


@pytest.mark.parametrize("raw", ["x" * 11, b"bytes", 3, "\ud800"])
def test_bad_text_is_refused_with_its_field(raw):
    with pytest.raises(BadInput, match="title: got"):
        build(max_characters=10).decode(raw)


def test_a_long_text_is_shown_by_its_beginning():
    shown = build().preview("word " * 100, "word " * 100)
    assert len(shown) == text.PREVIEW_CHARACTERS
    assert shown.endswith("…")
