"""kubectl for tests."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from tools.testcluster.binaries import KUBERNETES_MODULE, binary
from tools.testcluster.shell import run


class Kubectl:
    """Runs kubectl against one cluster; failures raise with the command's output."""

    def __init__(self, kubeconfig: Path) -> None:
        own = KUBERNETES_MODULE.cached / "kubectl"
        program = str(own) if own.exists() else shutil.which("kubectl") or binary("kubectl")
        self._command = [program, "--kubeconfig", str(kubeconfig)]

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        return run([*self._command, *arguments], stdin=stdin)

    def json(self, *arguments: str) -> Any:
        """The command's output with ``-o json``."""
        return json.loads(self(*arguments, "-o", "json"))

    def apply(self, manifest: dict[str, Any], namespace: str) -> None:
        """Create or change one object."""
        self("--namespace", namespace, "apply", "-f", "-", stdin=yaml.safe_dump(manifest))
