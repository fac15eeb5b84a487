"""Size of an image, torch with its GPU libraries apart: ``python -m infra.images.sizes ROOT``.

Reads a root file system, its own (``/``) or a mounted one. It imports only the standard library, so
its text runs inside any image: ``python -c "$(cat infra/images/sizes.py)" /``.
"""

import json
import os
import re
import sys
from pathlib import Path

MOST_MB = {"train": 500, "serve": 500, "flow": 1050}
"""Limits beyond torch; 500 was the goal, the flow's validator, registry and engine need more."""
_NOT_IMAGE = {"proc", "sys", "dev", "tmp", "run"}
_TORCH = re.compile(
    r"(torch|torchgen|functorch|triton|nvidia|cuda)(-[0-9].*|\..*)?$|nvidia_.*\.dist-info$|cuda_.*\.dist-info$"
)


def measure(root: Path) -> dict[str, float]:
    """Megabytes (10^6 bytes) of all files, torch with GPU libraries, other packages, the rest."""
    seen: set[int] = set()
    bytes_of = {"torch": 0, "packages": 0, "rest": 0}
    for folder, folders, files in os.walk(root):
        inside = Path(folder).relative_to(root)
        if not inside.parts:
            folders[:] = [name for name in folders if name not in _NOT_IMAGE]
        for name in files:
            about = Path(folder, name).lstat()
            if about.st_ino in seen:
                continue
            if about.st_nlink > 1:
                seen.add(about.st_ino)
            bytes_of[_part((*inside.parts, name))] += about.st_size
    found = {part: round(size / 1e6, 1) for part, size in bytes_of.items()}
    return {
        **found,
        "beyond_torch": round(found["packages"] + found["rest"], 1),
        "total": round(sum(found.values()), 1),
    }


def _part(path: tuple[str, ...]) -> str:
    if "site-packages" not in path[:-1]:
        return "rest"
    return "torch" if _TORCH.match(path[path.index("site-packages") + 1]) else "packages"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1] if len(sys.argv) > 1 else "/"))) + "\n")
