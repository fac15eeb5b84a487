"""The digest of the code that a training pod executes, so that a run and its image can be told apart when they differ."""

from functools import cache
from pathlib import Path

from components.core.refs import digest_file, digest_json

_ROOT = Path(__file__).parents[1]


@cache
def code_digest(root: Path = _ROOT) -> str:
    """SHA-256 over every file of the ``components`` package: the same in a checkout, an installed wheel and an image.

    Paths are relative and bytecode, hidden files and editors' backups are left out, so that nothing that Python or a tool
    leaves beside the sources counts. Read once per process.

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
