"""The test cluster's command line: ``python -m tools.testcluster up|down|status|image|run``."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from components.core.errors import UserError
from tools.testcluster import builds, cluster, processes
from tools.testcluster.layout import KUBECONFIG, NODES
from tools.testcluster.shell import say

_NAMES = [node.name for node in NODES]


def main(argv: list[str] | None = None) -> int:
    """Run one command; mistakes and missing programs are reported without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m tools.testcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the cluster, or mend it; prints `export KUBECONFIG=...`")
    commands.add_parser("down", help="stop it and leave nothing behind")
    commands.add_parser("status", help="say what runs; exit code 1 unless all of it does")
    _image_options(
        commands.add_parser(
            "image", help="build an image from a Dockerfile and load it into the nodes"
        )
    )
    running = commands.add_parser(
        "run", help="run a command with KUBECONFIG set, on this cluster if none is set"
    )
    running.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    asked = parser.parse_args(argv)
    try:
        if asked.command == "image":
            return _image(asked)
        if asked.command == "run":
            return _run(asked.arguments[1:] if asked.arguments[:1] == ["--"] else asked.arguments)
        return {"up": _up, "down": _down, "status": _status}[asked.command]()
    except UserError as error:
        say(str(error))
        return error.exit_code


def _up() -> int:
    if not cluster.up():
        say("it runs already")
    sys.stdout.write(f"export KUBECONFIG={KUBECONFIG}\n")
    return 0


def _down() -> int:
    cluster.down()
    say("it is gone")
    return 0


def _status() -> int:
    for name in cluster.servers():
        pid = processes.pid_of(name)
        sys.stdout.write(f"{name:28} {'stopped' if pid is None else pid}\n")
    whole = cluster.is_up()
    sys.stdout.write(f"{'cluster':28} {'up' if whole else 'not up'}\n")
    return 0 if whole else 1


def _run(command: list[str]) -> int:
    """Run a command on the configured cluster, else on this one, stopped if started for it."""
    if os.environ.get("KUBECONFIG"):
        say(f"on the cluster of KUBECONFIG={os.environ['KUBECONFIG']}")
        return subprocess.run(command, check=False).returncode
    started = cluster.up()
    say("started for this command" if started else "it runs already, and will go on")
    try:
        return subprocess.run(
            command, env={**os.environ, "KUBECONFIG": str(KUBECONFIG)}, check=False
        ).returncode
    finally:
        if started:
            _down()


def _image_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="repository:tag, as pods name it")
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("context", type=Path)
    parser.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        help="only this node; may be repeated",
        choices=_NAMES,
    )
    parser.add_argument(
        "--no-load", action="store_true", help="build and measure it, give it to no node"
    )


def _image(asked: argparse.Namespace) -> int:
    arguments = dict(given.partition("=")[::2] for given in asked.build_arg)
    size = builds.image(
        asked.name, asked.dockerfile, asked.context, arguments, asked.node, load=not asked.no_load
    )
    sys.stdout.write(f"{asked.name} {size / 1e6:.0f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
