import pytest

from components.parts.encoders._scripts import mostly_latin, script_shares

LATIN = ["Red shoes", "Schöne Grüße", "çà et là"]
OTHERS = ["红色的鞋子 XL", "Красные туфли", "أحذية حمراء", "赤い靴", "빨간 신발"]


@pytest.mark.parametrize("text", LATIN)
def test_texts_in_latin_script_are_told(text):
    assert mostly_latin([text])


@pytest.mark.parametrize("text", OTHERS)
def test_texts_in_other_scripts_are_told(text):
    assert not mostly_latin([text])


def test_one_long_text_does_not_decide_for_all():
    assert mostly_latin(["a shoe", "a hat", "红" * 10_000])
    assert not mostly_latin(["红鞋", "蓝帽", "shoe" * 10_000])


@pytest.mark.parametrize("texts", [[], [""], ["12 !? ☃"]])
def test_without_letters_nothing_speaks_against_latin(texts):
    assert mostly_latin(texts)


def test_shares_sum_to_one_and_full_width_letters_are_latin():
    found = script_shares([*LATIN, *OTHERS])
    assert sum(found.values()) == pytest.approx(1)
    assert script_shares(["\uff21\uff22\uff23"]) == {"LATIN": 1.0}


def test_a_sample_is_read_evenly_from_all_texts():
    texts = ["shoe"] * 5_000 + ["靴"] * 5_000
    assert script_shares(texts) == pytest.approx({"LATIN": 0.5, "CJK": 0.5}, abs=0.01)
