"""Trainer blocks whose pods run this checkout, on a cluster whose nodes are this machine."""

import sys
from pathlib import Path
from typing import Any

from components.config.home import CHECKOUT
from tools.testcluster import images


def checkout() -> dict[str, Any]:
    """The fields that mount the code into a pod: folders of this machine, read-only."""
    folders = {
        "checkout": CHECKOUT,
        "environment": Path(sys.prefix),
        "interpreter": Path(sys.base_prefix),
    }
    return {
        "where": "kubernetes",
        "image": images.TEST,
        "image_pull_policy": "Never",
        "cpu": 0.5,
        "memory": "3Gi",
        "volumes": [
            {"name": n, "mount": str(path), "host_path": str(path), "read_only": True}
            for n, path in folders.items()
        ],
        "env": {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT)},
    }


def sharing(folder: Path, namespace: str) -> dict[str, Any]:
    """A whole block, with a folder of this machine as its exchange."""
    block = checkout()
    shared = {"name": "exchange", "mount": "/exchange", "host_path": str(folder)}
    place = {"uri": str(folder), "pod_uri": "/exchange"}
    return {
        **block,
        "namespace": namespace,
        "exchange": place,
        "volumes": [*block["volumes"], shared],
    }
