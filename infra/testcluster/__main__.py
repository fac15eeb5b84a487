"""The command line of the test cluster: ``python -m infra.testcluster up|down|status``."""

import argparse
import sys

from components.errors import UserError
from infra.testcluster import cluster, processes
from infra.testcluster.layout import KUBECONFIG
from infra.testcluster.shell import say


def main(argv: list[str] | None = None) -> int:
    """Run one command; a mistake or a missing thing is said without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m infra.testcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the cluster, or mend it; prints `export KUBECONFIG=...`")
    commands.add_parser("down", help="stop it and leave nothing behind")
    commands.add_parser("status", help="say what runs; exit code 1 unless all of it does")
    asked = parser.parse_args(argv)
    try:
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


if __name__ == "__main__":
    sys.exit(main())
