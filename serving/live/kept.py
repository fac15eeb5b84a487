"""What a process keeps of its answers: the log, feedback, and the threads that wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from components.config.run import ServingConfig
from serving.live.metrics import Metrics
from serving.store.answers import AnswerLog
from serving.store.database import Database
from serving.store.feedback import Feedback

T = TypeVar("T")
_THREADS = 2  # of feedback, which may wait for the store; those of answers do not


class Kept:
    """The answer log and feedback of one process.

    Args:
        database: the store.
        limits: how long answers are kept, and whether with their payload.
        metrics: counts the answers that could not be kept.
    """

    def __init__(self, database: Database, limits: ServingConfig, metrics: Metrics) -> None:
        self.payloads = limits.log_payloads
        self.log = AnswerLog(database, days=limits.retention_days, dropped=metrics.unlogged.inc)
        self.feedback = Feedback(database, self.log)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="concord-feedback")

    def start(self) -> None:
        """Begin to write answers."""
        self.log.start()

    def close(self) -> None:
        """Write what waits."""
        self.log.close()

    async def run(self, work: Callable[[], T]) -> T:
        """Do what may wait for the store."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
