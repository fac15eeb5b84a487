"""The catalogue of methods: every file that declares one says all that a user needs."""

import re
from collections import Counter

import pytest

from components.core.errors import UsageError
from components.parts.methods import ROOT, catalogue, chosen

METHODS = catalogue()


@pytest.mark.parametrize("one", METHODS, ids=lambda one: f"{one.id} {one.name}")
def test_every_method_says_what_it_is_for_what_it_needs_and_where_it_is_from(one):
    assert re.fullmatch(r"[SLAFMBDRHECI]\d\d[a-z]?", one.id)
    assert all([one.name, one.purpose, one.needs, one.use])
    assert one.source, f"{one.file} has no line `Source: …` in its docstring"
    assert (ROOT.parent / one.file).is_file()


def test_no_two_methods_share_an_id_and_a_name():
    assert [one for one, n in Counter((m.id, m.name) for m in METHODS).items() if n > 1] == []


def test_a_method_is_found_by_its_id_its_family_and_its_name(tmp_path, monkeypatch):
    file = tmp_path / "a.py"
    file.write_text(
        '"""A loss.\n\nSource: Someone 2020,\na paper.\n"""\n\nMETHOD = {"id": "L01b", "name": '
        '"sigmoid pairs", "for": "x", "needs": "y", "use": "z"}\n'
    )
    monkeypatch.setattr("components.parts.methods.ROOT", tmp_path)
    catalogue.cache_clear()
    try:
        for name in ("L01", "l01b", "L", "Sigmoid"):
            (one,) = chosen(name)
            assert one.source == "Someone 2020, a paper."
        with pytest.raises(UsageError, match="L01b"):
            chosen("L02")
    finally:
        catalogue.cache_clear()
