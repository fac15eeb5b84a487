"""Command line of the test cluster: ``python -m tools.testcluster up|down|status|image|run``."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from components.core.errors import UserError
from tools.testcluster import builds, cluster, processes
from tools.testcluster.layout import KUBECONFIG, NODES, NUMBER
from tools.testcluster.shell import say

_NAMES = [node.name for node in NODES]


def main(argv: list[str] | None = None) -> int:
    """Run one command; mistakes and missing programs are reported without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m tools.testcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "up", help="start the cluster, or what died; prints `export KUBECONFIG=...`"
    )
    commands.add_parser("down", help="stop it and leave nothing behind")
    commands.add_parser("status", help="list the processes; exit code 1 unless all run")
    _image_options(
        commands.add_parser(
            "image", help="build an image from a Dockerfile and load it into the nodes"
        )
    )
    running = commands.add_parser(
        "run", help="run a command with KUBECONFIG set, on this cluster if none is set"
    )
    running.add_argument(
        "--clusters",
        type=int,
        default=1,
        metavar="N",
        help="start N, numbered on from this one; with several the command finds their numbers in "
        "CONCORD_TESTCLUSTER_NUMBERS and no KUBECONFIG",
    )
    running.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    asked = parser.parse_args(argv)
    try:
        if asked.command == "image":
            return _image(asked)
        if asked.command == "run":
            command = asked.arguments[1:] if asked.arguments[:1] == ["--"] else asked.arguments
            return _run(command, range(NUMBER, NUMBER + asked.clusters))
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


def _run(command: list[str], numbers: range) -> int:
    """Run a command on the configured cluster, else on these, stopped if started for it."""
    if os.environ.get("KUBECONFIG"):
        say(f"on the cluster of KUBECONFIG={os.environ['KUBECONFIG']}")
        return subprocess.run(command, check=False).returncode
    started = []
    try:
        for number in numbers:
            if _verb("status", number) == 0:
                say(f"cluster {number} runs already, and will go on")
                continue
            started.append(number)
            if code := _verb("up", number):
                return code
        if len(numbers) > 1:
            place = {"CONCORD_TESTCLUSTER_NUMBERS": " ".join(map(str, numbers))}
        else:
            place = {"KUBECONFIG": str(KUBECONFIG)}
        return subprocess.run(command, env=os.environ | place, check=False).returncode
    finally:
        for number in started:
            _verb("down", number)


def _verb(verb: str, number: int) -> int:
    """Run a command of this program for the cluster of a number; returns its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "tools.testcluster", verb],
        env=os.environ | {"CONCORD_TESTCLUSTER_NUMBER": str(number)},
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode


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
