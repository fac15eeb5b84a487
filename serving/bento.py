"""A Bento of one model package: BentoML's folder with the service, the components and the package.

BentoML runs in a process of its own (`serving.service` is its only importer), without a network.
Equal packages give equal bytes, since the time of the build is set to a constant.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import yaml

from components.core.errors import MachineError, UserError
from components.core.files import link, read_json
from components.core.refs import digest_folder
from components.model.description import CARRIED, read_description
from components.model.listing import check_code
from components.model.runtime import chosen
from components.parts import loading as parts
from components.parts.indexing import DEFAULT
from serving.interface.limits import Limits
from serving.served import ROOT, served_files

LIBRARIES = (
    "fastapi",
    "filelock",
    "fsspec",
    "limits",
    "numpy",
    "onnxruntime",
    "prometheus-client",
    "pyarrow",
    "pydantic",
    "python-multipart",
    "pyyaml",
    "safetensors",
    "sqlalchemy",
)
"""Distributions that every service needs besides BentoML; a Bento pins their versions.

Those of its model's kinds and encoders and of its index come on top, as these declare them, and
torch where it computes the network.
"""
_ALWAYS = "2000-01-01T00:00:00+00:00"
_BUILD_SECONDS = 300


def build(package: Path, out: Path) -> Path:
    """Build the Bento of a package into ``out/bento``, a folder that ``bentoml serve`` runs.

    Its tag is the model's name and the first 12 characters of the package's digest.

    Raises:
        UserError: the package is incomplete, or BentoML refused; the message ends with its output.
        MachineError: BentoML was killed.
    """
    name = yaml.safe_load((package / "config.yaml").read_text(encoding="utf-8"))["name"]
    version = digest_folder(package)[:12]
    try:
        Limits.read(package)
    except KeyError as error:
        raise UserError(
            f"could not build {name}:{version}: model.json in {package} has no {error};"
            " package the model again"
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    # Beside the result: files are linked and not copied, and no other disk needs the room.
    with tempfile.TemporaryDirectory(prefix=".bento-", dir=out) as aside:
        context, home = Path(aside, "context"), Path(aside, "home")
        context.mkdir()
        for file in served_files():
            (context / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, context / file)
        shutil.copytree(package, context / "package", copy_function=link)
        (context / "bentofile.yaml").write_text(
            yaml.safe_dump(_bentofile(name, version, libraries(package))), encoding="utf-8"
        )
        (context / "README.md").write_text(_readme(package, name, version), encoding="utf-8")
        _run_bentoml(context, home, name, version)
        built = home / "bentos" / name / version
        _normalise(built / "bento.yaml")
        shutil.move(built, out / "bento")
    return out / "bento"


def libraries(package: Path) -> list[str]:
    """The distributions that answering with a package takes, sorted."""
    check_code(package)  # kinds and encoders may be the user's own
    needed = {*LIBRARIES, *(["torch"] if chosen(package).name == "torch" else [])}
    for name, spec in read_description(package).specs.items():
        needed.update(parts.load("kinds", spec.kind, spec.base).LIBRARIES)
        for view, own in zip(spec.names(name), spec.views, strict=True):
            module = parts.load("encoders", own.encoder, spec.base)
            carried = (package / CARRIED / view).is_dir()
            needed.update(module.CARRIED_LIBRARIES if carried else module.LIBRARIES)
    about = package / "index" / "index.json"  # packages of model format 1 have none
    index = str(read_json(about)["name"]) if about.is_file() else DEFAULT
    return sorted(needed.union(parts.load("index", index).LIBRARIES))


def _bentofile(name: str, version: str, needed: list[str]) -> dict[str, object]:
    return {
        "service": "serving.service:Concord",
        "name": name,
        "labels": {"package": version},
        "include": ["components/**", "serving/**", "package/**"],
        # Exact versions of what it was built with; resolving a lock would need a network.
        "python": {
            "packages": [f"{d}=={metadata.version(d)}" for d in needed],
            "lock_packages": False,
        },
    }


def _readme(package: Path, name: str, version: str) -> str:
    card = package / "card.md"
    return card.read_text(encoding="utf-8") if card.is_file() else f"# {name}:{version}\n"


def _run_bentoml(context: Path, home: Path, name: str, version: str) -> None:
    home.mkdir()
    environment = {
        **os.environ,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for variable in ("PYTHONPATH", "CONCORD_PACKAGE", "CONCORD_PACKAGE_DIGEST"):
        environment.pop(variable, None)
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "build",
        "--name",
        name,
        "--version",
        version,
        "--output",
        "tag",
        # Named, since BentoML refuses one that it finds below a hidden folder, as the state folder
        # is; and not the context by its path, which may have a colon.
        "--bentofile",
        str(context / "bentofile.yaml"),
        ".",
    ]
    done = subprocess.run(
        command,
        cwd=context,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-2000:]
        killed = done.returncode < 0
        raise (MachineError if killed else UserError)(
            f"BentoML could not build {name}:{version} (exit code {done.returncode});"
            f" its output ends with:\n{words}"
        )


def _normalise(description: Path) -> None:
    text = description.read_text(encoding="utf-8")
    text = re.sub(r"^creation_time: .*$", f"creation_time: '{_ALWAYS}'", text, flags=re.MULTILINE)
    description.write_text(text, encoding="utf-8")
