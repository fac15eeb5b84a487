"""Sessions of onnxruntime, opened one way everywhere, and shared by all who run the same graph.

A session runs in the thread that calls it, so the threads that answer requests are the one pool.
With more threads of its own a session answers one record of a small network no sooner, and many
requests at once later (``benchmarks/runtime.py``).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from numpy.typing import NDArray


class Session:
    """An open graph; it may be called from several threads.

    Args:
        opened: an ``onnxruntime.InferenceSession``.

    Attributes:
        inputs: their names.
        outputs: their names.
    """

    def __init__(self, opened: Any) -> None:  # noqa: ANN401
        import onnxruntime

        self._opened, self._giving_back = opened, onnxruntime.RunOptions()
        # What a large batch took is given back when it is done; else it is kept for ever.
        self._giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.inputs: list[str] = [own.name for own in opened.get_inputs()]
        self.outputs: list[str] = [own.name for own in opened.get_outputs()]

    def run(
        self,
        outputs: Sequence[str] | None,
        given: Mapping[str, NDArray[Any]],
        *,
        more: bool = False,
    ) -> list[NDArray[Any]]:
        """Some outputs, or all, of arrays by the name of their input.

        Args:
            outputs: their names; None for all.
            given: the arrays.
            more: another call follows at once, so memory is kept for it: to ask the system for it
                anew takes up to as long as to compute.
        """
        options = None if more else self._giving_back
        found: list[NDArray[Any]] = self._opened.run(outputs, given, options)
        return found


_OPEN: "WeakValueDictionary[tuple[str, int], Session]" = WeakValueDictionary()
_OPENING = Lock()


def session(model: bytes | Path, threads: int = 1) -> Session:
    """Open a graph on the processor.

    Args:
        model: the graph, or its file.
        threads: that share one call; they do not spin while they wait.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that wait must not spin: other threads decode pictures meanwhile.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    given = model if isinstance(model, bytes) else str(model)
    opened = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    return Session(opened)


def shared(key: str, model: Callable[[], bytes | Path], threads: int = 1) -> Session:
    """The session of a graph, opened once for all who hold it.

    Args:
        key: digest of what shapes the graph.
        model: makes the graph, or names its file.
        threads: as for `session`.
    """
    with _OPENING:
        found = _OPEN.get((key, threads))
        if found is None:
            found = _OPEN[key, threads] = session(model(), threads)
        return found
