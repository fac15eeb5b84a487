"""The packages a serving pod accepts (folder, Bento, URI), and what it refuses."""

import fsspec
import pytest

from components.core.errors import UserError
from components.core.refs import digest_folder
from serving.start import package
from tests.packaged import packed


def test_a_folder_is_served_where_it_is(tmp_path):
    folder = packed().package
    assert package(str(folder), digest_folder(folder), tmp_path) == folder
    assert package(f"file://{folder}", None, tmp_path) == folder


def test_the_package_in_a_bento_is_found(bento, tmp_path):
    found = package(str(bento), None, tmp_path)
    assert digest_folder(found) == digest_folder(packed().package)


def test_a_package_at_a_uri_is_fetched_whole(tmp_path):
    fsspec.filesystem("memory").put(f"{packed().package}/", "/models/tiny/", recursive=True)
    found = package("memory://models/tiny", digest_folder(packed().package), tmp_path)
    assert found == tmp_path / "package"
    assert digest_folder(found) == digest_folder(packed().package)


def test_no_package_and_another_package_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"no model package at .*nowhere"):
        package(str(tmp_path / "nowhere"), None, tmp_path)
    with pytest.raises(UserError, match="wanted 000000000000"):
        package(str(packed().package), "0" * 64, tmp_path)
