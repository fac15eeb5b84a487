"""``concord package``: a champion as a Bento and as the build context of an image."""

import pytest

from components.core.errors import UserError
from components.core.refs import digest_folder
from flows.commands.package import package


@pytest.fixture(autouse=True)
def _home(first, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(first[1]))


def test_a_model_is_packaged_by_its_name_and_by_its_version(tmp_path):
    said = package("tiny", model=None, out=tmp_path / "a")
    again = package("1", model=None, out=tmp_path / "b")
    assert said.value["version"] == again.value["version"] == 1
    for place in ("bento/src/package", "image/package"):
        assert digest_folder(tmp_path / "a" / place) == said.value["package_digest"]
    assert (tmp_path / "a" / "bento" / "bento.yaml").is_file()
    assert digest_folder(tmp_path / "a" / "image") == digest_folder(tmp_path / "b" / "image")
    assert said.then == f"docker build --tag tiny:1 {tmp_path / 'a' / 'image'}"


def test_what_is_there_is_not_overwritten_and_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="exists already"):
        package("tiny", model=None, out=tmp_path)
    with pytest.raises(UserError, match="there are: 1"):
        package("7", model=None, out=tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
