"""What all units share: memory, threads, and what is counted."""

import math
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from components.config.run import ServingConfig
from components.parts.recall import RecallWatch
from serving.live.budget import Budget
from serving.live.kept import Kept
from serving.live.metrics import Metrics
from serving.store.database import Database

COMPUTING = 2
"""Batches that are computed at a time: one is decoded and sorted while another is in the model."""
_READING = 2
"""Threads that read requests and search, beside those that compute."""
_LOW = 10  # as `nice` has it


def _pool(name: str, threads: int, begin: Callable[[], None] | None = None) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=f"concord-{name}", initializer=begin)


def _let_others_first() -> None:
    """Give this thread what other threads leave of the processors; elsewhere it has its share."""
    if sys.platform == "linux":  # where priorities belong to threads
        thread = threading.get_native_id()
        low = max(_LOW, os.getpriority(os.PRIO_PROCESS, thread))  # only root may raise it
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, low)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """One for a process.

    Attributes:
        budget: memory that requests take to be decoded.
        computing: threads that run models.
        long: one thread that runs them for records that take long.
        reading: threads that read requests, search and fetch records.
        metrics: what is counted.
        recall: repeats some searches exactly.
        kept: the answer log and feedback; None: nothing is kept.
    """

    budget: Budget
    computing: ThreadPoolExecutor = field(default_factory=lambda: _pool("compute", COMPUTING))
    long: ThreadPoolExecutor = field(default_factory=lambda: _pool("long", 1, _let_others_first))
    reading: ThreadPoolExecutor = field(default_factory=lambda: _pool("read", _READING))
    metrics: Metrics = field(default_factory=Metrics)
    recall: RecallWatch = field(default_factory=RecallWatch)
    kept: Kept | None = None

    @classmethod
    def of(cls, limits: ServingConfig, database: Database | None = None) -> "Shared":
        """What a service with these limits shares, and keeps in a database."""
        metrics = Metrics()
        kept = None if database is None else Kept(database, limits, metrics)
        shared = cls(budget=Budget(limits), metrics=metrics, kept=kept)
        metrics.recall.set_function(lambda: shared.recall.recall or math.nan)
        return shared
