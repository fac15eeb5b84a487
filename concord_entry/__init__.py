"""Entry of the program ``concord``: its own packages first, then the command line.

It has a name that no package of a user has: packages called ``flows`` or ``components`` on
PYTHONPATH would otherwise be found in the place of Concord's own.
"""

import os
import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[1])


def main() -> None:
    """Run a command."""
    try:
        own_packages_first()
        from flows.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(1)


def own_packages_first() -> None:
    """Let this process and those that it starts find Concord's packages before any others."""
    sys.path.insert(0, _ROOT)
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([_ROOT, *(p for p in given if p not in {"", _ROOT})])
    # `python -m` would otherwise find the modules in the working directory first.
    os.environ["PYTHONSAFEPATH"] = "1"
