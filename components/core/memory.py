"""Memory of a process while something large is loaded, and after it."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def give_back() -> None:
    """Give free memory back to the system, where its C library can; after something was loaded."""
    if sys.platform != "linux":
        return
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)


def let_go() -> None:
    """Free what was large and is used no more, though its objects refer to each other.

    Python itself looks through all objects only after their number has grown by a quarter, which a
    few large ones do not do.
    """
    gc.collect()
    give_back()


@contextmanager
def growing() -> Iterator[None]:
    """Load what stays: nobody looks for garbage meanwhile, and free memory is given back after."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
        give_back()
