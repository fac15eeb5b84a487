"""Several tasks of one process at a time."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def at_once(work: Callable[[T], R], tasks: Iterable[T], most: int | None = None) -> list[R]:
    """Do tasks in threads: their products are too small to share among cores.

    An interruption, or a task that fails, does not wait for tasks that have begun: no other task
    begins, and what goes on ends with the process.

    Args:
        work: does one task.
        tasks: what to do.
        most: how many at a time; by default, and at most, as many as there are cores.
    """
    from threadpoolctl import threadpool_limits

    waiting = list(enumerate(tasks))[::-1]
    found: dict[int, R] = {}
    failed: list[BaseException] = []

    def worker() -> None:
        while waiting and not failed:
            try:
                number, task = waiting.pop()
            except IndexError:  # another thread took the last one
                return
            try:
                found[number] = work(task)
            except BaseException as error:
                failed.append(error)

    count, cores = len(waiting), os.cpu_count() or 1
    # Those of an executor would be waited for when the process ends.
    threads = [
        threading.Thread(target=worker, daemon=True)
        for _ in range(min(count, cores, most or cores))
    ]
    with threadpool_limits(1):
        try:
            for thread in threads:
                thread.start()
            _joined(threads, failed)
        finally:
            waiting.clear()
    if failed:
        raise failed[0]
    return [found[number] for number in range(count)]


def _joined(threads: list[threading.Thread], failed: list[BaseException]) -> None:
    """Wait for all threads, or for the first failure."""
    for thread in threads:
        while thread.is_alive() and not failed:
            thread.join(0.2)
