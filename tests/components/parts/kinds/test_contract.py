"""The contract of every kind; new files are picked up automatically."""

import base64
import importlib.metadata
import subprocess
import sys

import jsonschema
import pytest

from components.core.errors import BadInput
from components.parts import loading as parts
from components.parts.contracts import decoded
from components.parts.guess import Column
from tests.components.parts.values import given_values


@pytest.mark.parametrize("name", parts.available("kinds"))
class TestKind:
    def test_it_declares_all_that_others_ask_for(self, name):
        module = parts.load("kinds", name)
        assert module.RAW in ("bytes", "text", "fields")
        assert isinstance(module.VERSION, int)
        assert module.ACCEPTS
        assert all(suffix.startswith(".") for suffix in module.SUFFIXES)
        assert set(module.MEDIA_TYPES) == set(module.SUFFIXES)
        assert all(parts.source("encoders", encoder) for encoder in module.ENCODERS)
        assert module.guess(Column()) is None
        for library in module.LIBRARIES:
            assert importlib.metadata.version(library)

    def test_content_tells_values_apart(self, name):
        kind, values = given_values(name)
        other = next(v for v in values if v != values[0])
        assert kind.content(values[0]) == given_values(name)[0].content(values[0])
        assert kind.content(values[0]) != kind.content(other)

    def test_a_value_of_another_type_is_refused_with_its_field(self, name):
        kind, _ = given_values(name)
        for wrong in (3.5, None, [1]):
            with pytest.raises(BadInput) as caught:
                kind.decode(wrong)
            assert caught.value.field.startswith(kind.name)

    def test_faults_stand_in_the_place_of_their_values(self, name):
        kind, values = given_values(name)
        found = decoded(kind, [values[0], 3.5, values[1]])
        assert [isinstance(v, BadInput) for v in found] == [False, True, False]

    def test_a_preview_has_a_media_type(self, name):
        kind, values = given_values(name)
        preview = kind.preview(values[0], kind.decode(values[0]))
        assert "/" in parts.load("kinds", name).preview_type(preview)

    def test_the_example_fits_the_schema_and_can_be_decoded(self, name):
        kind, _ = given_values(name)
        jsonschema.validate(kind.example(), kind.schema())
        raw = kind.example()
        if parts.load("kinds", name).RAW == "bytes":
            raw = base64.b64decode(raw)
        assert kind.decode(raw) is not None

    def test_it_imports_no_torch(self, name):
        code = f"import sys, components.parts.kinds.{name}; assert 'torch' not in sys.modules"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
