"""Training on several processes or nodes: ``python -m components.pods.launch --nodes N …``.

torchrun's engine (``components.pods.elastic``) finds the peers and starts the entry once for each
process of this node. The exit code is that of the rank that failed first.
"""

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from components.pods import exit_codes
from components.pods.handover import already_done, opened
from components.pods.nodes import Nodes
from components.pods.pod import Parser, PeersError, Pod, Stop, ended, message

if TYPE_CHECKING:
    from torch.distributed.elastic.agent.server.api import RunResult

JOIN_S = 600
"""How long to wait for peers: their pods may have to be scheduled, and their image pulled."""


def main(arguments: list[str] | None = None) -> int:
    """Train on several processes or nodes; all nodes are started with the same command."""
    Stop().listen()

    def work() -> int:
        parser = Parser("python -m components.pods.launch", main.__doc__)
        parser.add_argument("--nodes", default="1", help="how many, or LEAST:MOST")
        parser.add_argument(
            "--processes", type=int, default=1, help="on each node, one for each GPU"
        )
        parser.add_argument("--rendezvous", required=True, help="HOST:PORT of the first node")
        given = parser.parse_args(arguments)
        nodes = Nodes.parse(given.nodes, given.processes, given.rendezvous)
        Pod.read().preflight()
        # Before waiting for peers: those of a finished job do not come again.
        if already_done(*opened(given.out)):
            return exit_codes.DONE
        job = given.out.rstrip("/").rsplit("/", 1)[-1]
        seal = ["--seal", given.seal] if given.seal else []
        return _launched(nodes, ["--config", given.config, "--out", given.out, *seal], job)

    return ended(work)


def _launched(nodes: Nodes, arguments: list[str], run_id: str) -> int:
    """Run the entry in every process; returns the exit code of the one that matters.

    Raises:
        PeersError: peers did not come in time.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.rendezvous.api import RendezvousError, RendezvousTimeoutError

    from components.pods.elastic import agent

    own = _own_address(nodes)
    cores = len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // nodes.processes)))
    try:
        return _code(agent(nodes, own, arguments, run_id, join_s=JOIN_S).run())
    except SignalException as signalled:
        message(
            f"stopped by {signal.Signals(signalled.sigval).name}; "
            "the next attempt resumes from the last checkpoint",
            cause=False,
        )
        return exit_codes.INTERRUPTED
    except RendezvousTimeoutError as error:
        raise PeersError(
            f"launch: fewer than {nodes.least} nodes met at {nodes.host}:{nodes.port} within "
            f"{JOIN_S} s; see why their pods do not run (quota, nodes, image), or ask for fewer"
        ) from error
    except RendezvousError as error:
        message(
            f"a peer of this training run has ended ({error}); "
            "the next attempt resumes from the last checkpoint",
            cause=False,
        )
        return exit_codes.INTERRUPTED


def _code(result: "RunResult | None") -> int:
    """Exit code of a node: that of the cause where it was here, else ``INTERRUPTED``."""
    if result is None:
        return exit_codes.INTERRUPTED
    codes = [failure.exitcode for failure in result.failures.values()]
    codes = [128 - code if code < 0 else code for code in codes]
    stopped = (exit_codes.INTERRUPTED, 128 + signal.SIGTERM)
    return next(
        (code for code in codes if code not in stopped),
        exit_codes.INTERRUPTED if codes else exit_codes.DONE,
    )


def _own_address(nodes: Nodes) -> str:
    """This node's address as its peers see it.

    Waits until the name of the first node can be resolved: a pod's DNS entry comes a little late.

    Raises:
        PeersError: it cannot be resolved in time.
    """
    deadline = time.monotonic() + JOIN_S
    while True:
        try:
            found = socket.getaddrinfo(nodes.host, nodes.port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(found[0], socket.SOCK_DGRAM) as probe:
                probe.connect(found[4])  # sends nothing
                return str(probe.getsockname()[0])
        except OSError as error:
            if time.monotonic() > deadline:
                raise PeersError(
                    f"launch: cannot resolve {nodes.host} ({error}); "
                    "see the job's Service and its DNS"
                ) from error
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
