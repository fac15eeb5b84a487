"""``make image-locks``: the hashed lock of each image, and of the layer that they share.

Each is resolved from the image's extras within the pins of ``requirements.lock``, so an image holds
the versions that were tested. ``torch.lock`` is what training and flow have in common, torch and
its GPU libraries: installed first, from one file, it makes one layer of many gigabytes that both
share. The serving image has two more: ``exact.lock``, without the library of the approximate index,
and ``whole.lock``, with what any model may need.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from components.core.errors import UserError
from components.core.failures import ended
from infra.images import CHECKOUT, EXACT, EXTRAS, FOLDER, SHARING, WHOLE, is_torch

_PLATFORM = "x86_64-manylinux_2_28"
_RESOLVE_SECONDS = 300
_HEAD = "# Made by `make image-locks`; do not edit.\n"


def main() -> None:
    """Write all locks."""
    parser = argparse.ArgumentParser(prog="python -m infra.images.locks", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the locks")
    out: Path = parser.parse_args().out
    locks = {image: resolve(extras) for image, extras in EXTRAS.items()}
    shared = [torch_part(locks[image]) for image in SHARING]
    if len(set(shared)) != 1:
        raise UserError(
            "the images pin torch or its GPU libraries differently: "
            "make requirements.lock again with `make lock`"
        )
    others = {
        "exact": resolve(EXACT),
        "whole": resolve(WHOLE),
        "torch": shared[0],
        "tools": _tools(),
    }
    for name, text in {**locks, **others}.items():
        (out / f"{name}.lock").write_text(_HEAD + text, encoding="utf-8")


def resolve(extras: tuple[str, ...]) -> str:
    """Resolve some extras within the pins of the main lock.

    Raises:
        UserError: uv is missing, or it finds no resolution; the message ends with its output.
    """
    chosen = [word for extra in extras for word in ("--extra", extra)]
    # transformers imports the hub's client even where it reads a folder.
    absent = ("overrides",) if "transformers" in extras else ("overrides", "overrides-hub")
    left_out = [word for name in absent for word in ("--overrides", f"infra/images/{name}.txt")]
    within = ("--constraints", "requirements.lock", *left_out)
    return _compile(*chosen, *within, "pyproject.toml")


def _tools() -> str:
    """The lock of the installer: this version of uv, which no image holds."""
    return _compile("-", words="uv==" + _uv("--version").split()[1])


def _compile(*asked: str, words: str = "") -> str:
    options = ("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate")
    return _uv(
        "pip",
        "compile",
        "--quiet",
        *options,
        "--python-version",
        "3.11",
        "--python-platform",
        _PLATFORM,
        *asked,
        words=words,
    )


def _uv(*arguments: str, words: str = "") -> str:
    uv = shutil.which("uv") or shutil.which(str(CHECKOUT / ".uv" / "bin" / "uv"))
    if uv is None:
        raise UserError("uv is not on PATH and not in .uv: run `make setup`")
    done = subprocess.run(
        [uv, *arguments],
        cwd=CHECKOUT,
        input=words,
        capture_output=True,
        text=True,
        timeout=_RESOLVE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise UserError(
            f"uv {' '.join(arguments)}: exit code {done.returncode}; its output:\n"
            f"{done.stderr.strip()}"
        )
    return done.stdout


def pins(lock: str) -> dict[str, str]:
    r"""Map each distribution to its version and hashes in the lock.

    >>> pins("a==1 \\\n    --hash=sha256:0\nb==2 \\\n    --hash=sha256:1\n")["b"]
    'b==2 \\\n    --hash=sha256:1\n'
    """
    blocks = re.findall(r"^[a-zA-Z0-9].*\n(?:[ \t]+.*\n)*", lock, flags=re.MULTILINE)
    return {re.split(r"[\[=@ ]", block, maxsplit=1)[0]: block for block in blocks}


def torch_part(lock: str) -> str:
    """Only torch and its GPU libraries, as the lock pins them."""
    return "".join(block for name, block in pins(lock).items() if is_torch(name))


if __name__ == "__main__":
    sys.exit(ended(main))
