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
from functools import cache
from importlib import metadata
from pathlib import Path

import yaml

from components.core.errors import MachineError, UserError
from components.core.files import link, read_json
from components.core.refs import digest_file, digest_folder, digest_json
from components.model.description import CARRIED, read_description
from components.model.listing import check_code
from components.model.runtime import chosen
from components.parts import loading as parts
from components.parts.indexing import DEFAULT
from serving.interface.limits import Limits

_ROOT = Path(__file__).parents[1]
SERVED = (
    "components/__init__.py",
    "components/config/__init__.py",
    "components/config/chosen_parts.py",
    "components/config/home.py",
    "components/config/pods.py",
    "components/config/run.py",
    "components/config/trainer.py",
    "components/core/*.py",
    "components/data/__init__.py",
    "components/data/manifest.py",
    "components/data/modality.py",
    "components/data/target.py",
    "components/exchange/*.py",
    "components/features/__init__.py",
    "components/features/format_1.py",
    "components/features/rows.py",
    "components/features/spec.py",
    "components/features/tfidf.py",
    "components/model/*.py",
    "components/parts/*.py",
    "components/parts/encoders/*.py",
    "components/parts/fusion/*.py",
    "components/parts/index/*.py",
    "components/parts/kinds/*.py",
    "components/parts/projectors/*.py",
    "components/parts/targets/*.py",
    "components/prediction/__init__.py",
    "components/prediction/asking.py",
    "components/prediction/attributes.py",
    "components/prediction/classifier.py",
    "components/prediction/collection.py",
    "components/prediction/composing.py",
    "components/prediction/cursor.py",
    "components/prediction/format.py",
    "components/prediction/hubness.py",
    "components/prediction/indexes.py",
    "components/prediction/journal.py",
    "components/prediction/made.py",
    "components/prediction/packaged.py",
    "components/prediction/prediction.py",
    "components/prediction/predictor.py",
    "components/prediction/review.py",
    "components/prediction/searcher.py",
    "components/prediction/seen.py",
    "components/registry/__init__.py",
    "components/registry/database.py",
    "components/registry/history.py",
    "components/registry/ledger.py",
    "components/registry/ledger_entry.py",
    "components/registry/packages.py",
    "components/registry/postgres_server.py",
    "components/registry/postgres_url.py",
    "components/registry/sqlite_file.py",
    "components/registry/versions.py",
    "serving/__init__.py",
    "serving/access.py",
    "serving/defaults.py",
    "serving/http/*.py",
    "serving/interface/*.py",
    "serving/live/*.py",
    "serving/service.py",
    "serving/store/*.py",
    "serving/ui/*.css",
    "serving/ui/*.html",
    "serving/ui/*.js",
    "serving/ui/*.svg",
    "serving/worker.py",
)
"""The code that a Bento contains: whole folders, or the modules that it needs of one.

A change elsewhere does not make a new Bento.
"""
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
_ROOMS = ("components", "serving")
_ALWAYS = "2000-01-01T00:00:00+00:00"
_BUILD_SECONDS = 300


def served_files() -> list[Path]:
    """The files of `SERVED`, relative to the folder of the code."""
    return sorted(path.relative_to(_ROOT) for name in SERVED for path in _ROOT.glob(name))


@cache
def code_digest() -> str:
    """SHA-256 of the code that a Bento contains, part of the key of the step that builds one."""
    return digest_json({file.as_posix(): digest_file(_ROOT / file) for file in served_files()})


def has_todays_code(bento: Path) -> bool:
    """Whether a Bento contains the code that one would be built with now."""
    source = bento / "src"
    carried = {p.relative_to(source) for room in _ROOMS for p in (source / room).rglob("*.py")}
    return carried == {f for f in served_files() if f.suffix == ".py"} and all(
        digest_file(source / file) == digest_file(_ROOT / file) for file in served_files()
    )


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
            shutil.copyfile(_ROOT / file, context / file)
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
