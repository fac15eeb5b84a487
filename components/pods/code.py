"""The digest of the code that a pod executes, to detect an image of other code than the run's."""

from functools import cache
from pathlib import Path

from components.core.refs import digest_file, digest_json

_ROOT = Path(__file__).parents[1]


@cache
def code_digest(root: Path = _ROOT) -> str:
    """SHA-256 over every file of the ``components`` package: checkout, wheel and image agree.

    Paths are relative; bytecode, hidden files and editors' backups are left out, because Python or
    a tool may leave them beside the sources. Read once per process.

    Args:
        root: folder of the package.
    """
    files = sorted(
        (path.relative_to(root).as_posix(), path) for path in root.rglob("*") if path.is_file()
    )
    return digest_json([[name, digest_file(path)] for name, path in files if _shipped(name)])


def _shipped(name: str) -> bool:
    parts = name.split("/")
    return (
        "__pycache__" not in parts
        and not any(part.startswith(".") for part in parts)
        and not name.endswith((".pyc", "~"))
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(code_digest() + "\n")
