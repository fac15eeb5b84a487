"""The images without building them: locks, Dockerfiles, removed files, and their measuring."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from components.config.home import CHECKOUT
from components.pods.code import code_digest
from infra.images import EXTRAS, FOLDER, SHARING
from infra.images.cut import cut
from infra.images.sizes import measure

IMAGES = sorted(EXTRAS)
FORBIDDEN_IN_TRAINING = {
    "prefect",
    "mlflow",
    "bentoml",
    "great-expectations",
    "dvc",
    "kubernetes",
    "pandas",
}


def _pinned(lock: Path) -> dict[str, set[str]]:
    """Map each distribution and version to its hashes, independently of the locks' writer."""
    found: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        if match := re.match(r"([a-z0-9][a-z0-9.-]*)(?:\[[a-z,-]+\])?==([^ ;\\]+)", line):
            current = found.setdefault(f"{match[1]}=={match[2]}", set())
        elif match := re.match(r"\s+--hash=(sha256:[0-9a-f]{64})", line):
            current.add(match[1])
    return found


def _names(lock: str) -> set[str]:
    return {pin.split("==")[0] for pin in _pinned(FOLDER / f"{lock}.lock")}


@pytest.mark.parametrize("lock", [*IMAGES, "exact", "whole", "torch"])
def test_every_pin_of_an_image_is_the_main_locks_with_its_hashes(lock: str) -> None:
    main, own = _pinned(CHECKOUT / "requirements.lock"), _pinned(FOLDER / f"{lock}.lock")
    assert own
    for pin, hashes in own.items():
        assert hashes, pin
        assert hashes == main[pin], pin


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_what_its_extras_ask_for(image: str) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(r for extra in EXTRAS[image] for r in extras[extra])]
    within = re.findall(r"concord\[([^]]+)\]", " ".join(asked))
    asked += [r for extra in within for r in extras[extra]]
    names = {re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in asked}
    assert names - {"concord"} <= _names(image)


@pytest.mark.parametrize("image", SHARING)
def test_the_torch_layer_is_a_part_of_the_locks(image: str) -> None:
    torch, own = _pinned(FOLDER / "torch.lock"), _pinned(FOLDER / f"{image}.lock")
    assert torch.items() <= own.items()
    assert "torch" in _names("torch")


def test_the_serving_image_has_no_training_library() -> None:
    unwanted = {"torch", "scikit-learn", "onnx", *FORBIDDEN_IN_TRAINING} - {"bentoml"}
    assert not unwanted & _names("serve")


def test_the_image_of_an_exact_index_lacks_the_library_of_the_approximate_one_alone() -> None:
    assert _names("serve") - _names("exact") == {"faiss-cpu"}


def test_the_whole_serving_image_has_all_of_the_small_one_and_torch() -> None:
    assert _names("serve") | {"torch", "transformers", "huggingface-hub"} <= _names("whole")


def test_training_pods_have_no_orchestrator_registry_service_or_validator() -> None:
    assert not FORBIDDEN_IN_TRAINING & _names("train")


def test_no_lock_and_no_dockerfile_names_a_host() -> None:
    for path in [*FOLDER.glob("*.lock"), *FOLDER.glob("*.Dockerfile"), *FOLDER.glob("*.sh")]:
        assert not re.search(r"https?://|--index-url|--extra-index-url|pypi\.", path.read_text()), (
            path
        )


@pytest.mark.parametrize("image", IMAGES)
def test_a_dockerfile_installs_before_it_copies_code_and_ends_as_nobody(image: str) -> None:
    text = (FOLDER / f"{image}.Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "ARG BASE=python:3.11-slim"
    assert lines.index(
        f"RUN sh /opt/concord/locks/install.sh {'${LOCK}' if image == 'serve' else image}.lock"
        + (" && \\" if image == "flow" else "")
    ) < lines.index("COPY components /app/components")
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["65532:65532"]
    assert "LABEL concord.code=${CODE}" in lines


def test_training_and_flow_begin_with_the_same_layers() -> None:
    # A builder shares a layer between images when all instructions up to it are the same.
    starts = set()
    for image in SHARING:
        text = (FOLDER / f"{image}.Dockerfile").read_text()
        starts.add(text[text.index("ARG BASE") : text.index("FROM torch AS dependencies")])
    assert len(starts) == 1
    assert "install.sh torch.lock" in starts.pop()


def test_sizes_tell_torch_from_the_rest_and_count_a_linked_file_once(tmp_path: Path) -> None:
    site = tmp_path / "opt" / "concord" / "lib" / "python3.11" / "site-packages"
    for name, size in {
        "torch/lib/a.so": 3_000_000, "nvidia/cublas/b.so": 2_000_000,
        "nvidia_cublas-13.1.dist-info/RECORD": 1_000_000,
        "triton/c.so": 1_000_000, "torchmetrics/d.py": 500_000, "numpy/e.so": 700_000,
    }.items():  # fmt: skip
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(bytes(size))
    (site / "numpy" / "again.so").hardlink_to(site / "numpy" / "e.so")
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "usr" / "lib" / "libc.so").write_bytes(bytes(400_000))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "kcore").write_bytes(bytes(9_000_000))
    assert measure(tmp_path) == {
        "torch": 7.0,
        "packages": 1.2,
        "rest": 0.4,
        "beyond_torch": 1.6,
        "total": 8.6,
    }


def test_what_compilers_and_tests_need_is_thrown_out_but_for_torch(tmp_path: Path) -> None:
    kept = [
        "numpy/a.py",
        "numpy/testing/b.py",
        "torch/include/c.h",
        "triton/d.h",
        "pyarrow/libarrow.so.1",
        "onnxruntime/capi/onnxruntime_pybind11_state.so",
        "botocore/data/s3/e.json",
    ]
    gone = [
        "numpy/tests/f.py",
        "numpy/g.pyi",
        "pyarrow/include/h.h",
        "onnxruntime/capi/libonnxruntime.so.1",
        "onnxruntime/transformers/j.py",
        "pyarrow/libarrow_flight.so.1",
        "botocore/data/ec2/i.json",
    ]
    for name in [*kept, *gone]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["sh", str(FOLDER / "slim.sh"), str(tmp_path)], check=True)
    assert sorted(
        str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()
    ) == sorted(kept)


def test_a_library_without_symbols_is_smaller_and_loads(tmp_path: Path) -> None:
    (source,) = Path(yaml.__file__).parent.glob("_yaml*.so")
    (tmp_path / "package").mkdir()
    copy = Path(shutil.copy(source, tmp_path / "package" / source.name))
    gone = cut(tmp_path)
    assert gone == source.stat().st_size - copy.stat().st_size > 0
    subprocess.run(
        [sys.executable, "-c", f"import ctypes; ctypes.PyDLL({str(copy)!r}, ctypes.RTLD_GLOBAL)"],
        check=True,
    )
    assert cut(tmp_path) == 0


def test_the_builder_is_given_the_digest_of_exactly_what_it_copies(tmp_path: Path) -> None:
    # A fake builder that records its options and its context.
    builder = tmp_path / "builder"
    builder.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\n'
        f'for last; do :; done\ncp -r "$last" {tmp_path}/context\n'
    )
    builder.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "infra.images.build",
        "train",
        "--builder",
        str(builder),
        "--base",
        "some:base",
    ]
    subprocess.run(
        [*command, "--", "--network", "host"], cwd=CHECKOUT, check=True, capture_output=True
    )
    words = (tmp_path / "words").read_text().split("\n")
    assert f"CODE={code_digest(tmp_path / 'context' / 'components')}" in words
    assert "BASE=some:base" in words
    assert words[words.index("--network") + 1] == "host"
    assert not list((tmp_path / "context").rglob("__pycache__"))


def test_an_unknown_image_and_a_missing_builder_are_told() -> None:
    build = [sys.executable, "-m", "infra.images.build"]
    unknown = subprocess.run(
        [*build, "trian"], cwd=CHECKOUT, check=False, capture_output=True, text=True
    )
    assert (
        unknown.returncode,
        "no image 'trian'; there are train, serve, flow" in unknown.stderr,
    ) == (2, True)
    absent = subprocess.run(
        [*build, "train", "--builder", "no-such"],
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (absent.returncode, absent.stderr.strip()) == (
        1,
        "no-such is not on PATH; install it, or name another with --builder",
    )
