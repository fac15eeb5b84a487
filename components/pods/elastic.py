"""The agent of PyTorch Elastic that runs a node's workers."""

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous import registry as rendezvous

from components.pods import exit_codes as exits
from components.pods.pod import PeersError

if TYPE_CHECKING:
    from components.pods.launch import Shape

_EXIT_BARRIER_S = 30
"""How long a node that is done keeps the meeting place open for peers that are about to be."""


class Agent(LocalElasticAgent):
    """Starts its workers again only where they were interrupted; another failure would come again."""

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result: RunResult = super()._monitor_workers(worker_group)
        if any(failure.exitcode != exits.INTERRUPTED for failure in result.failures.values()):
            self._remaining_restarts = 0
        return result

    def _stop_workers(self, worker_group: WorkerGroup) -> None:  # noqa: ARG002
        # Theirs gives 30 s, which may be too little for a step and its checkpoint.
        self._shutdown(timeout=self._shutdown_timeout)


def agent(
    shape: "Shape",
    address: str,
    arguments: list[str],
    run_id: str,
    *,
    join_s: int,
    restarts: int,
    stop_s: int,
) -> LocalElasticAgent:
    """An agent that meets its peers when it is run.

    Args:
        shape: how many nodes, and where they meet.
        address: this node's, as its peers see it.
        arguments: of the entry.
        run_id: what the peers have in common.
        join_s: how long peers are waited for.
        restarts: how often interrupted workers are started again.
        stop_s: how long workers may take to stop.

    Raises:
        PeersError: the first node does not listen.
    """
    # The meeting place of workers would be kept from the first meeting, also where later ones have another first node
    # (torch 2.13, ``DynamicRendezvousHandler._bootstrap_store_info``): nodes that come later would wait for ever.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    index = os.environ.get("JOB_COMPLETION_INDEX")  # of an Indexed Job's pod
    if index not in {None, "0"}:
        _await_listening(shape, join_s)
    parameters = RendezvousParameters(
        backend="c10d",
        endpoint=f"{shape.host}:{shape.port}",
        run_id=run_id,
        min_nodes=shape.least,
        max_nodes=shape.most,
        local_addr=address,
        join_timeout=join_s,
        **({} if index is None else {"is_host": index == "0"}),
    )
    spec = WorkerSpec(
        role="train",
        local_world_size=shape.processes,
        entrypoint=sys.executable,
        args=("-m", "components.pods.entry", *arguments),
        rdzv_handler=rendezvous.get_rendezvous_handler(parameters),
        max_restarts=restarts,
        local_addr=address,
    )
    return Agent(
        spec, DefaultLogsSpecs(), exit_barrier_timeout=_EXIT_BARRIER_S, shutdown_timeout=stop_s
    )


def _await_listening(shape: "Shape", within_s: int) -> None:
    """Wait until the first node listens.

    Raises:
        PeersError: it does not.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection((shape.host, shape.port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                place = f"{shape.host}:{shape.port}"
                raise PeersError(
                    f"launch: nobody listens at {place} ({error}); see why the first pod does not run"
                ) from error
            time.sleep(1)
        else:
            return
