"""The nodes of a training job and where they meet."""

from dataclasses import dataclass

from components.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """How many nodes take part, and where they meet.

    Attributes:
        least: nodes that are enough.
        most: nodes that may take part; more than ``least`` makes the job elastic.
        processes: on each node.
        host: name of the first node.
        port: on which it listens.
    """

    least: int
    most: int
    processes: int
    host: str
    port: int

    @classmethod
    def parse(cls, nodes: str, processes: int, rendezvous: str) -> "Nodes":
        """Read the options of the command line.

        Args:
            nodes: ``N`` or ``LEAST:MOST``.
            processes: on each node.
            rendezvous: ``HOST:PORT`` of the first node.

        Raises:
            UsageError: not numbers, or in the wrong order.
        """
        least, _, most = nodes.partition(":")
        most = most or least
        host, _, port = rendezvous.rpartition(":")
        if not (least.isdecimal() and most.isdecimal() and 1 <= int(least) <= int(most)):
            raise UsageError(f"--nodes: got {nodes!r}, wanted N or LEAST:MOST")
        if not host or not port.isdecimal():
            raise UsageError(f"--rendezvous: got {rendezvous!r}, wanted HOST:PORT")
        if processes < 1:
            raise UsageError(f"--processes: got {processes}, wanted at least 1")
        return cls(least=int(least), most=int(most), processes=processes, host=host, port=int(port))

    @property
    def elastic(self) -> bool:
        """Whether the number of nodes may change while the job runs."""
        return self.most > self.least
