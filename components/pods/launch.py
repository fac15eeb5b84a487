"""Several processes or nodes: ``python -m components.pods.launch --nodes N --processes P --rendezvous HOST:PORT …``.

The engine of torchrun starts the entry once for each process, here on every node of the job, and finds the peers. Beyond
torchrun the exit code is that of the rank that failed first, and only what would end otherwise the next time is tried again.

Source: PyTorch Elastic, ``torch.distributed.launcher``.
"""

import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.errors import UsageError
from components.pods import exit_codes as exits
from components.pods.handover import already_done, opened
from components.pods.pod import Parser, PeersError, Pod, Stop, ended, message

if TYPE_CHECKING:
    from torch.distributed.elastic.agent.server.api import RunResult

JOIN_S = 600
"""How long peers are waited for: their pods may have to be scheduled, and their image pulled."""
_RESTARTS = 100
"""How often an elastic training may go on with other peers in one pod's life."""
_UNTIL_KILLED_S = 3600
"""A pod's grace period is what ends workers that take long to stop, not their launcher."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many nodes take part, and where they meet.

    Attributes:
        least: nodes that are enough.
        most: nodes that may take part; more than ``least`` is elastic.
        processes: on each node.
        host: where node 0 is found.
        port: on which it listens.
    """

    least: int
    most: int
    processes: int
    host: str
    port: int

    @classmethod
    def parse(cls, nodes: str, processes: int, rendezvous: str) -> "Shape":
        """From the command line.

        Raises:
            UsageError: not numbers, or in the wrong order.
        """
        least, _, most = nodes.partition(":")
        host, _, port = rendezvous.rpartition(":")
        if not (
            least.isdecimal()
            and (most or least).isdecimal()
            and 1 <= int(least) <= int(most or least)
        ):
            raise UsageError(f"--nodes: got {nodes!r}, wanted N or LEAST:MOST")
        if not host or not port.isdecimal():
            raise UsageError(f"--rendezvous: got {rendezvous!r}, wanted HOST:PORT")
        if processes < 1:
            raise UsageError(f"--processes: got {processes}, wanted at least 1")
        return cls(
            least=int(least),
            most=int(most or least),
            processes=processes,
            host=host,
            port=int(port),
        )


def main(arguments: list[str] | None = None) -> int:
    """Train on several processes or nodes; all of them are started with the same command."""
    Stop().listen()

    def work() -> int:
        parser = Parser("python -m components.pods.launch", main.__doc__)
        parser.add_argument("--nodes", default="1", help="how many, or LEAST:MOST")
        parser.add_argument(
            "--processes", type=int, default=1, help="on each node, one for each GPU"
        )
        parser.add_argument("--rendezvous", required=True, help="HOST:PORT of the first node")
        given = parser.parse_args(arguments)
        shape = Shape.parse(given.nodes, given.processes, given.rendezvous)
        Pod.read().preflight()
        # Before the peers are waited for: those of a finished job do not come again.
        if already_done(*opened(given.out)):
            return exits.DONE
        return _launched(
            shape,
            ["--config", given.config, "--out", given.out],
            given.out.rstrip("/").rsplit("/", 1)[-1],
        )

    return ended(work)


def _launched(shape: Shape, arguments: list[str], run_id: str) -> int:
    """Run the entry in every process; returns the exit code of the one that matters.

    Raises:
        PeersError: peers did not come in time.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.rendezvous.api import RendezvousError, RendezvousTimeoutError

    from components.pods.elastic import agent

    own = _own_address(shape)
    os.environ.setdefault(
        "OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // shape.processes))
    )
    try:
        running = agent(
            shape,
            own,
            arguments,
            run_id,
            join_s=JOIN_S,
            restarts=_restarts(shape),
            stop_s=_UNTIL_KILLED_S,
        )
        return _code(running.run())
    except SignalException as signalled:
        message(
            f"stopped by {signal.Signals(signalled.sigval).name}; the next attempt goes on at the last checkpoint",
            cause=False,
        )
        return exits.INTERRUPTED
    except RendezvousTimeoutError as error:
        raise PeersError(
            f"launch: fewer than {shape.least} nodes met at {shape.host}:{shape.port} within {JOIN_S} s; see why their pods "
            "do not run (quota, nodes, image), or ask for fewer"
        ) from error
    except RendezvousError as error:
        message(
            f"a peer of this training is gone ({error}); the next attempt goes on at the last checkpoint",
            cause=False,
        )
        return exits.INTERRUPTED


def _restarts(shape: Shape) -> int:
    return _RESTARTS if shape.most > shape.least else 0


def _code(result: "RunResult | None") -> int:
    """Exit code of a group of workers: the cause where it is among them, else that they were interrupted."""
    if result is None:
        return exits.INTERRUPTED
    codes = [failure.exitcode for failure in result.failures.values()]
    codes = [128 - code if code < 0 else code for code in codes]
    stopped = (exits.INTERRUPTED, 128 + signal.SIGTERM)
    return next(
        (code for code in codes if code not in stopped), exits.INTERRUPTED if codes else exits.DONE
    )


def _own_address(shape: Shape) -> str:
    """This node's address as its peers see it, once the first node's name is known: a pod's DNS entry comes a little late.

    Raises:
        PeersError: the name stays unknown.
    """
    deadline = time.monotonic() + JOIN_S
    while True:
        try:
            found = socket.getaddrinfo(shape.host, shape.port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(found[0], socket.SOCK_DGRAM) as probe:
                probe.connect(found[4])  # sends nothing
                return str(probe.getsockname()[0])
        except OSError as error:
            if time.monotonic() > deadline:
                raise PeersError(
                    f"launch: {shape.host} cannot be found ({error}); see the job's Service and its DNS"
                ) from error
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
