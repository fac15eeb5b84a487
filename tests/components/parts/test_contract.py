"""What every part promises, whatever its family; new files are picked up automatically."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from components.core.errors import UsageError
from components.parts import loading as parts

ALL = [(family, name) for family in parts.FAMILIES for name in parts.available(family)]


def test_every_folder_of_parts_is_a_family():
    folders = {
        p.name for p in Path(parts.__file__).parent.iterdir() if (p / "__init__.py").exists()
    }
    assert folders == set(parts.FAMILIES)


@pytest.mark.parametrize(("family", "name"), ALL)
class TestPart:
    def test_its_source_is_a_paper_or_standard_that_a_reader_can_find(self, family, name):
        _, _, source = parts.load(family, name).__doc__.partition("Source:")
        assert re.search(r"\b(18|19|20)\d\d\b|arXiv:\d{4}\.\d{4,5}", source)
        assert not re.search(r"\bmethod [A-Z]\d|\b[A-Z]\d\d\b", source)

    def test_its_config_is_frozen_described_and_has_defaults(self, family, name):
        config = parts.configure(family, name, {})
        with pytest.raises(AttributeError, match="cannot assign"):
            config.anything = 1
        for declaring in type(config).__mro__[:-1]:  # options that parts share stand in a base
            assert all(
                f"{name}:" in declaring.__doc__ for name in inspect.get_annotations(declaring)
            )

    def test_its_defaults_pass_its_own_checks_when_they_are_written_out(self, family, name):
        config = parts.configure(family, name, {})
        assert parts.configure(family, name, dataclasses.asdict(config)) == config

    def test_an_unknown_option_is_refused_with_its_path(self, family, name):
        with pytest.raises(UsageError, match=r"^here\.nothing_of_that_name: unknown option"):
            parts.configure(family, name, {"nothing_of_that_name": 1}, where="here")
