"""Versions of installed libraries: part of the key of what they shape."""

import importlib.metadata
from collections.abc import Iterable

from components.core.errors import UsageError


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions by distribution name, sorted; nothing is imported.

    Raises:
        UsageError: one is not installed.
    """
    found = {}
    for name in sorted(set(names)):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise UsageError(f"{name} is not installed; run `pip install {name}`") from None
    return found
