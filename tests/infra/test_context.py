"""The build context of an image with its model: complete, true and without this machine."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from components.config.home import CHECKOUT
from components.core.errors import UserError
from components.core.refs import digest_folder
from components.pods.code import code_digest
from flows.engines import free_port
from infra.images.context import write
from tests.packaged import packed


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("context")
    write(packed().package, out, 7)
    return out


def test_all_that_the_dockerfile_copies_is_there_and_nothing_else(context: Path) -> None:
    text = (context / "Dockerfile").read_text()
    text = text.replace("${LOCK}", "exact")
    copied = [w for words in re.findall(r"^COPY (.+)$", text, re.M) for w in words.split()[:-1]]
    assert not [source for source in copied if not (context / source).exists()]
    tops = {source.split("/")[0] for source in copied}
    assert {path.name for path in context.iterdir()} == {*tops, "Dockerfile"}


def test_it_says_which_code_and_which_model_it_holds(context: Path) -> None:
    text = (context / "Dockerfile").read_text()
    assert f"ARG CODE={code_digest(context / 'components')}\n" in text
    assert f"CONCORD_PACKAGE_DIGEST={digest_folder(context / 'package')} " in text
    assert "CONCORD_MODEL_VERSION=7\n" in text
    assert text.index("COPY package /model") < text.index("USER 65532:65532")


def test_it_names_no_place_of_this_machine(context: Path) -> None:
    text = (context / "Dockerfile").read_text()
    assert str(CHECKOUT) not in text
    assert not [path for path in context.rglob("*") if path.name == "__pycache__"]


@pytest.mark.parametrize(("index", "lock"), [([], "exact"), (["faiss-cpu"], "serve")])
def test_only_an_approximate_index_brings_its_library(tmp_path, index, lock) -> None:
    write(packed().package, tmp_path / "out", None, ["numpy", *index])
    assert f"\nARG LOCK={lock}\n" in (tmp_path / "out" / "Dockerfile").read_text()
    assert (tmp_path / "out" / "infra" / "images" / f"{lock}.lock").is_file()


def test_a_model_that_needs_torch_has_all_libraries_and_an_unknown_one_is_told(tmp_path) -> None:
    write(packed().package, tmp_path / "torch", None, ["numpy", "torch", "transformers"])
    assert "\nARG LOCK=whole\n" in (tmp_path / "torch" / "Dockerfile").read_text()
    assert (tmp_path / "torch" / "infra" / "images" / "whole.lock").is_file()
    with pytest.raises(UserError, match="needs own-library, which no lock of an image has"):
        write(packed().package, tmp_path / "own", None, ["own-library", "torch"])
    assert not (tmp_path / "own").exists()


def test_a_model_with_own_code_has_all_libraries(tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(packed().package, package)
    (package / "own.py").touch()
    write(package, tmp_path / "out", None)
    assert "\nARG LOCK=whole\n" in (tmp_path / "out" / "Dockerfile").read_text()


@pytest.mark.slow
def test_its_code_serves_its_model_with_the_command_of_the_image(context: Path, tmp_path) -> None:
    text = (context / "Dockerfile").read_text()
    (values,) = re.findall(r"^ENV (CONCORD_PACKAGE=.+)$", text, re.M)
    environment = dict(value.split("=") for value in values.split())
    port = free_port()
    environment |= {
        "CONCORD_PACKAGE": str(context / "package"), "PYTHONPATH": str(context),
        "HOME": str(tmp_path), "PATH": os.environ["PATH"], "PORT": str(port),
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "CONCORD_HOME": str(tmp_path / "home"), "CONCORD_OPEN": "1",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "serving.start"], env=environment, cwd=tmp_path
    ) as server:
        try:
            end, said = time.monotonic() + 90, None
            while said is None or not said.is_success:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.2)
                with suppress(httpx.HTTPError):
                    said = httpx.get(f"http://127.0.0.1:{port}/v1/model", trust_env=False)
            assert said.json()["version"] == 7
            assert said.json()["package_digest"] == environment["CONCORD_PACKAGE_DIGEST"]
        finally:
            server.terminate()
