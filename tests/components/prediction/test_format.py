"""A package opens only the files it lists; code put beside, before or behind it never runs."""

import json
import shutil

import pytest

from components.core.errors import UserError
from components.core.refs import digest_file
from components.model import storage
from components.prediction.predictor import Predictor
from serving.interface.limits import Limits
from tests.packaged import packed

EVIL = "raise SystemExit('this code ran')\n"


@pytest.fixture
def package(tmp_path):
    shutil.copytree(packed().package, tmp_path / "package")
    return tmp_path / "package"


def _chosen(package, section, name):
    """The package's description names other code, and its list agrees."""
    about = json.loads((package / "model.json").read_text())
    if section == "fusion":
        about["model"]["fusion"] = {"name": name}
    else:
        about["modalities"]["text"]["kind"] = name
    (package / "model.json").write_text(json.dumps(about))
    _listed(package, {"model.json": digest_file(package / "model.json")})


def _listed(package, changes):
    files = json.loads((package / "files.json").read_text())
    files["files"] |= changes
    (package / "files.json").write_text(json.dumps(files))


def _refused(package, match):
    for load in (Predictor.load, lambda p: Predictor.load(p, verify=False), storage.load):
        with pytest.raises(UserError, match=match):
            load(package)


@pytest.mark.parametrize("section", ["fusion", "kind"])
def test_code_outside_the_package_is_refused(package, tmp_path, section):
    outside = tmp_path / "evil.py"
    outside.write_text(EVIL)
    for name in (str(outside), "../evil.py", "index/../../evil.py"):
        _chosen(package, section, name)
        _refused(package, "leaves the folder")


@pytest.mark.parametrize("section", ["fusion", "kind"])
def test_code_that_the_list_does_not_name_is_refused(package, section):
    (package / "parts").mkdir()
    (package / "parts" / "evil.py").write_text(EVIL)
    _chosen(package, section, "evil.py")
    _refused(package, r"parts/evil\.py is not in its list")
    with pytest.raises(UserError, match=r"parts/evil\.py is not in its list"):
        Limits.read(package)


def test_listed_code_of_another_content_is_refused_even_unverified(package):
    mine = package / "parts" / "mine.py"
    mine.parent.mkdir()
    mine.write_text("")
    _listed(package, {"parts/mine.py": digest_file(mine)})
    mine.write_text(EVIL)
    _chosen(package, "fusion", "mine.py")
    _refused(package, r"mine\.py was changed")


def test_links_are_refused_whatever_they_lead_to(package, tmp_path):
    (tmp_path / "evil.py").write_text(EVIL)
    (package / "parts").mkdir()
    (package / "parts" / "evil.py").symlink_to(tmp_path / "evil.py")
    _listed(package, {"parts/evil.py": digest_file(tmp_path / "evil.py")})
    _chosen(package, "fusion", "evil.py")
    _refused(package, r"parts/evil\.py is a link")
    shutil.rmtree(package / "parts")
    (package / "parts").symlink_to(tmp_path)
    _refused(package, "parts is a link")


@pytest.mark.parametrize("name", ["/etc/hostname", "../x", "index/../../x"])
def test_a_list_that_leads_outside_is_damaged(package, name):
    _listed(package, {name: "0" * 64})
    with pytest.raises(UserError, match=r"files\.json is damaged"):
        Predictor.load(package)
