"""A frozen network as a graph: of a library's weights, or from the folder of a package."""

from collections.abc import Callable
from pathlib import Path

from components.core.files import read_json, write_json
from components.parts.session import Session, shared

_GRAPH, _ABOUT = "encoder.onnx", "encoder.json"
_THREADS = 2
"""Of a run that encodes a data set; a service has a thread for each request."""


class Frozen:
    """A frozen network, opened when it is first used.

    Args:
        name: of the encoder.
        digest: SHA-256 over the library's weights.
        graph: makes the graph from them.
    """

    def __init__(self, name: str, digest: Callable[[], str], graph: Callable[[], bytes]) -> None:
        self._name, self._digest, self._graph = name, digest, graph
        self._opened: Session | None = None
        self.folder: Path | None = None

    def digest(self) -> str:
        """SHA-256 over the weights; a package says whose they are."""
        if self.folder is None:
            return self._digest()
        return str(read_json(self.folder / _ABOUT)["weights"])

    def session(self) -> Session:
        """The open graph; all that have the same weights share it."""
        if self._opened is None:
            own = self.folder
            key = f"{self._name} {self.digest()}"
            if own is None:
                self._opened = shared(key, self._graph, _THREADS)
            else:
                self._opened = shared(key, lambda: own / _GRAPH)
        return self._opened

    def carry(self, folder: Path) -> None:
        """Write the graph, and whose weights it has."""
        (folder / _GRAPH).write_bytes(self._graph())
        write_json(folder / _ABOUT, {"weights": self.digest()})

    def use(self, folder: Path) -> None:
        """Read what ``carry`` wrote from now on."""
        self.folder, self._opened = folder, None
