"""``make images``: build images from a copy of the checkout, labelled with the digest of its code.

The builder is buildah, or any command with the same options (``docker``, ``podman``). Options after
``--`` mount what a build behind a proxy needs (a CA bundle, a pip configuration, a uv cache at
``/cache``).
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from components.core.errors import UserError
from components.core.failures import ended
from components.pods.code import code_digest
from infra.images import CHECKOUT, EXTRAS
from infra.images.sizes import MOST_MB, measure

_SHIPPED = ("components", "concord_entry", "serving", "infra", "flows", "conf")


def main(arguments: list[str] | None = None) -> int:
    """Build and print sizes."""
    parser = argparse.ArgumentParser(prog="python -m infra.images.build", description=__doc__)
    parser.add_argument(
        "images", nargs="*", default=list(EXTRAS), help=f"of {', '.join(EXTRAS)}; all by default"
    )
    parser.add_argument(
        "--base", default="python:3.11-slim", help="base image with Python 3.11 and its venv module"
    )
    parser.add_argument(
        "--name", default="localhost/concord/{image}:dev", help="how images are named"
    )
    parser.add_argument(
        "--builder", default="buildah", help="command that builds, with its global options"
    )
    words = sys.argv[1:] if arguments is None else arguments
    end = words.index("--") if "--" in words else len(words)
    given, options = parser.parse_args(words[:end]), words[end + 1 :]
    unknown = [name for name in given.images if name not in EXTRAS]
    if unknown:
        parser.error(f"no image {unknown[0]!r}; there are {', '.join(EXTRAS)}")
    large = []
    with tempfile.TemporaryDirectory() as temporary:
        context = copy_of_checkout(Path(temporary, "context"))
        for image in given.images:
            name, began = given.name.format(image=image), time.monotonic()
            builder = shlex.split(given.builder)
            build(image, context, name=name, base=given.base, builder=builder, options=options)
            found = f"{time.monotonic() - began:.0f} s"
            if Path(builder[0]).name == "buildah":
                measured = sizes(name, builder)
                large += [name] if measured["beyond_torch"] > MOST_MB[image] else []
                found += "; MB: " + ", ".join(
                    f"{part} {size:.0f}" for part, size in measured.items()
                )
            sys.stdout.write(f"{name}: {found}\n")
    if large:
        raise UserError(
            f"larger beyond torch than infra/images/sizes.py allows: {', '.join(large)}; "
            "see infra/images/slim.sh"
        )
    return 0


def copy_of_checkout(context: Path) -> Path:
    """Copy what images hold, so that edits during a build have no effect."""
    for name in _SHIPPED:
        shutil.copytree(
            CHECKOUT / name, context / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    shutil.copyfile(CHECKOUT / ".dockerignore", context / ".dockerignore")
    return context


def build(
    image: str,
    context: Path,
    *,
    name: str,
    base: str,
    builder: Sequence[str] = ("buildah",),
    options: Sequence[str] = (),
) -> None:
    """Build one image.

    Args:
        image: which one.
        context: a copy of the checkout.
        name: of the result.
        base: base image, with Python 3.11 and its venv module.
        builder: ``buildah``, ``docker`` or ``podman``, with its global options.
        options: further ones of the builder, such as mounts.

    Raises:
        UserError: no such builder, or it failed; its words went to standard error.
    """
    if shutil.which(builder[0]) is None:
        raise UserError(f"{builder[0]} is not on PATH; install it, or name another with --builder")
    kept = ["--layers"] if Path(builder[0]).name == "buildah" else []
    command = [
        *builder, "build", *kept, *options, "--build-arg", f"BASE={base}",
        "--build-arg", f"CODE={code_digest(context / 'components')}",
        "--file", str(context / "infra" / "images" / f"{image}.Dockerfile"),
        "--tag", name, str(context),
    ]  # fmt: skip
    if subprocess.run(command, stdout=sys.stderr, env=_environment(), check=False).returncode:
        raise UserError(
            f"{builder[0]} could not build {name} from infra/images/{image}.Dockerfile; "
            "its output is above"
        )


def sizes(name: str, builder: Sequence[str] = ("buildah",)) -> dict[str, float]:
    """Megabytes of an image by part."""

    def ask(*words: str) -> str:
        return subprocess.run(
            [*builder, *words], capture_output=True, text=True, env=_environment(), check=True
        ).stdout.strip()

    container = ask("from", "--pull-never", name)
    try:
        return measure(Path(ask("mount", container)))
    finally:
        ask("rm", container)


def _environment() -> dict[str, str]:
    """Buildah as root in a container needs neither a user namespace nor another runtime."""
    return {"STORAGE_DRIVER": "overlay", "BUILDAH_ISOLATION": "chroot", **os.environ}


if __name__ == "__main__":
    sys.exit(ended(main))
