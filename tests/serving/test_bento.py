"""The Bento: pinned to its package, reproducible, self-contained."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.core.errors import UserError
from components.core.refs import digest_folder
from serving import served
from serving.bento import build
from tests.packaged import packed


def test_a_bento_is_named_by_its_package_and_carries_it(bento):
    package = packed().package
    described = yaml.safe_load((bento / "bento.yaml").read_text())
    assert (described["name"], described["version"]) == ("tiny", digest_folder(package)[:12])
    assert digest_folder(bento / "src" / "package") == digest_folder(package)
    assert (bento / "README.md").read_text() == (package / "card.md").read_text()
    pinned = (bento / "env" / "python" / "requirements.txt").read_text()
    assert pinned.count("onnxruntime==") == 1
    assert "torch==" not in pinned
    assert [p.name for p in bento.parent.iterdir()] == ["bento"]


@pytest.mark.parametrize(
    ("edited", "counts"),
    [
        ("serving/http/app.py", True),
        ("components/model/network.py", True),
        ("components/training/loop.py", False),
        ("serving/process.py", False),
    ],
)
def test_the_digest_of_its_code_follows_the_files_that_it_carries(
    bento, tmp_path, monkeypatch, edited, counts
):
    assert (bento / "src" / edited).is_file() == counts
    for folder in ("components", "serving"):
        shutil.copytree(served.ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(served, "ROOT", tmp_path)
    before = served.code_digest.__wrapped__()
    with (tmp_path / edited).open("a") as file:
        file.write("# edited\n")
    assert (served.code_digest.__wrapped__() != before) == counts


@pytest.mark.usefixtures("endpoint")  # serving it writes nothing into it
def test_the_same_package_gives_the_same_bytes(bento, tmp_path):
    assert digest_folder(build(packed().package, tmp_path)) == digest_folder(bento)


ABSENT = (
    "prefect", "mlflow", "great_expectations", "dvc", "kubernetes",
    "onnx", "sklearn", "scipy", "matplotlib", "pandas", "torch",
)  # fmt: skip


def test_it_carries_the_listed_rooms_and_nothing_else(bento):
    source = bento / "src"
    folders = (source / "components", source / "serving")
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    carried = {p.relative_to(source).as_posix() for p in files if "__pycache__" not in p.parts}
    assert carried == {file.as_posix() for file in served.served_files()}
    rooms = {name.split("/")[1] for name in carried if name.startswith("components/")}
    assert rooms == {
        "__init__.py", "config", "core", "data", "exchange", "features", "model", "parts",
        "prediction", "registry",
    }  # fmt: skip


def imported(source: str) -> set[str]:
    """Modules of ours that a file imports, as paths; a name from a package may be one."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    paths = (Path(*name.split(".")).with_suffix(".py") for name in found)
    return {str(path) for path in paths if (served.ROOT / path).is_file()}


ELSEWHERE = {
    "serving/store/export.py",  # of `concord feedback export`
    "components/registry/__init__.py",  # of MLflow, which loads a registered package by it
}
"""Carried files that import what a Bento lacks, where they are used outside of one."""


def test_what_the_carried_code_imports_is_carried(bento):
    carried = {str(path.relative_to(bento / "src")) for path in (bento / "src").rglob("*.py")}
    wanted = {
        path: sorted(imported((served.ROOT / path).read_text()) - carried)
        for path in carried - ELSEWHERE
        if (served.ROOT / path).is_file()
    }
    assert {path: missing for path, missing in wanted.items() if missing} == {}


def test_it_answers_from_its_own_code_where_training_and_engines_are_absent(bento, tmp_path):
    """Only the Bento's folder, in a process that cannot import what a serving image lacks."""
    code = f"""
import sys
for name in {ABSENT}:
    sys.modules[name] = None
import serving.service as service
service._serving().begin()
from starlette.testclient import TestClient
ask = TestClient(service._serving().front, base_url='http://localhost')
found = ask.post('/v1/classify', json={{'records': [{{'text': 'ring'}}]}}).json()
label = found['answers'][0]['label']
wanted = {{'query': {{'text': 'ring'}}, 'k': 3, 'filter': {{'labels': [label]}}}}
hits = ask.post('/v1/search', json=wanted).json()['hits']
assert ask.get(next(iter(hits[0]['media'].values()))).status_code == 200
assert ask.get('/v1/model').json()['records']
from components.parts import loading
for family in ('encoders', 'index', 'kinds'):
    for name in loading.available(family):
        loading.load(family, name)
own = [m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in ('components', 'serving')]
print(all(file.startswith({str(bento)!r}) for file in own), len(own))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=bento / "src",
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": "",
            "CONCORD_HOST": "127.0.0.1",
            "CONCORD_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True")


def test_an_incomplete_package_is_refused_and_leaves_nothing(tmp_path):
    package = tmp_path / "package"
    shutil.copytree(packed().package, package)
    description = json.loads((package / "model.json").read_text())
    del description["classes"]
    (package / "model.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="could not build tiny"):
        build(package, tmp_path / "out")
    assert not (tmp_path / "out").exists()
