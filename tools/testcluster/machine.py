"""Requirements of the machine on which a cluster starts."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tools.testcluster.network import CNI_BINARIES
from tools.testcluster.shell import MissingError, say

BUSYBOX = Path("/bin/busybox")
# A program (or file) that shows that a Debian package is installed.
NODE_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "openssl": "openssl",
    str(CNI_BINARIES / "bridge"): "containernetworking-plugins",
    str(BUSYBOX): "busybox-static",
}
IMAGE_PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}


def require(packages: dict[str, str]) -> None:
    """Check the machine and install Debian packages that it lacks.

    Raises:
        MissingError: not Linux, not root, a package is missing and apt too, or its installation
            failed.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise MissingError(
            f"got {sys.platform} on {platform.machine()}, wanted Linux on x86_64: "
            "the nodes are made for it"
        )
    if os.geteuid() != 0:
        raise MissingError(
            f"got user {os.geteuid()}, wanted root: nodes mount, make networks and start containers"
        )
    if not Path("/sys/fs/cgroup").is_dir():
        raise MissingError(
            "no control groups at /sys/fs/cgroup: a container cannot be given limits without them"
        )
    lacking = [package for shown_by, package in packages.items() if not _is_there(shown_by)]
    if not lacking:
        return
    if shutil.which("apt-get") is None:
        raise MissingError(
            f"missing {', '.join(lacking)}, and no apt-get to install them with: "
            "install them by hand"
        )
    say(f"installing {', '.join(lacking)}")
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking],
    ):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise MissingError(
                f"missing {', '.join(lacking)}: {' '.join(command)} failed:\n"
                f"{done.stderr.strip()[-1500:]}"
            )


def _is_there(program: str) -> bool:
    if program == str(BUSYBOX):  # the package `busybox` has one that is not static
        return (
            BUSYBOX.exists()
            and subprocess.run(["ldd", program], capture_output=True, check=False).returncode != 0
        )
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None
