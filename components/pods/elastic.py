"""The agent of PyTorch Elastic, torchrun's engine, that runs the processes of a node.

``torchrun`` itself cannot be the command of a pod: with ``--max-restarts`` it restarts its
processes after every failure, also after one that would come again each time, and it gives them
30 s to write a checkpoint. Both are decided in methods of the agent, which are overridden here.
"""

import os
import sys
from datetime import timedelta

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous import registry as rendezvous

from components.pods import exit_codes
from components.pods.nodes import Nodes
from components.pods.pod import PeersError

_RESTARTS = 100
"""How often an elastic training run may resume with other peers in one pod's life."""
_EXIT_BARRIER_S = 30
"""How long a node that is done keeps the rendezvous open for peers that are about to be."""
_SHUTDOWN_S = 3600
"""The grace period of the pod ends processes that take long to stop, not their launcher."""


class Agent(LocalElasticAgent):
    """Restarts its processes only after an interruption; any other failure would come again."""

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result: RunResult = super()._monitor_workers(worker_group)
        if any(f.exitcode != exit_codes.INTERRUPTED for f in result.failures.values()):
            self._remaining_restarts = 0
        return result

    def _stop_workers(self, worker_group: WorkerGroup) -> None:  # noqa: ARG002
        self._shutdown(timeout=self._shutdown_timeout)


def agent(
    nodes: Nodes, address: str, arguments: list[str], run_id: str, *, join_s: int
) -> LocalElasticAgent:
    """An agent that meets its peers when it is run.

    Args:
        nodes: how many, and where they meet.
        address: of this node, as its peers see it.
        arguments: of the entry.
        run_id: common to all peers.
        join_s: how long to wait for peers.

    Raises:
        PeersError: the first node does not listen.
    """
    # Otherwise the processes' own store stays that of the first rendezvous, also where a later one
    # has another first node (torch 2.13, ``DynamicRendezvousHandler._bootstrap_store_info``), and
    # nodes that come later wait for ever.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    index = os.environ.get("JOB_COMPLETION_INDEX")  # of an Indexed Job's pod
    if index not in {None, "0"}:
        await_first_node(nodes, join_s)
    parameters = RendezvousParameters(
        backend="c10d",
        endpoint=f"{nodes.host}:{nodes.port}",
        run_id=run_id,
        min_nodes=nodes.least,
        max_nodes=nodes.most,
        local_addr=address,
        join_timeout=join_s,
        **({} if index is None else {"is_host": index == "0"}),
    )
    spec = WorkerSpec(
        role="train",
        local_world_size=nodes.processes,
        entrypoint=sys.executable,
        args=("-m", "components.pods.entry", *arguments),
        rdzv_handler=rendezvous.get_rendezvous_handler(parameters),
        max_restarts=_RESTARTS if nodes.elastic else 0,
        local_addr=address,
    )
    return Agent(
        spec,
        DefaultLogsSpecs(),
        exit_barrier_timeout=_EXIT_BARRIER_S,
        shutdown_timeout=_SHUTDOWN_S,
    )


def await_first_node(nodes: Nodes, join_s: int) -> None:
    """Wait until the first node listens; the rendezvous itself waits for 60 s only.

    Raises:
        PeersError: it does not.
    """
    try:
        TCPStore(nodes.host, nodes.port, is_master=False, timeout=timedelta(seconds=join_s))
    except DistError as error:
        raise PeersError(
            f"launch: nothing listens at {nodes.host}:{nodes.port} ({str(error).splitlines()[0]}); "
            "see why the first pod does not run"
        ) from error
