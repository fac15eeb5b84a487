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
