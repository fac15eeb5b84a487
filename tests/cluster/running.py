"""A small training run on the cluster that a test observes or disturbs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from components.config.trainer import KubernetesTrainer
from components.exchange.exchange import Attempt, Exchange
from components.pods import handover
from components.pods.code import code_digest
from components.training.run import run
from components.training.spec import TrainSpec
from flows.places.trainer import train
from infra.manifests import job_name


class Running:
    """``flows.places.trainer.train`` in a thread.

    Args:
        spec: the training.
        block: the trainer block.
        out: takes the result.
    """

    def __init__(self, spec: TrainSpec, block: dict[str, Any], out: Path) -> None:
        self.config = KubernetesTrainer.model_validate(block)
        self.name = job_name(spec.task, handover.work_digest(spec), code_digest())
        self.exchange = Exchange(self.config.exchange.uri)
        self.said: list[str] = []
        self.step = 0
        self.error: BaseException | None = None
        self._clean: Callable[[], None] | None = None
        self._spec, self._out = spec, out
        out.mkdir(parents=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._clean = train(
                self._spec,
                out=self._out,
                checkpoints=self._out.with_name(f"{self._out.name}-state"),
                progress=self._progress,
                trainer=self.config,
                run="test",
                say=self.said.append,
            )
        except BaseException as error:  # the test examines it
            self.error = error

    def _progress(self, what: str, done: int, total: int) -> None:  # noqa: ARG002
        self.step = done

    def until(self, there: Callable[[], object], seconds: float = 90) -> None:
        """Wait for a condition while training runs."""
        end = time.monotonic() + seconds
        while not there():
            assert self._thread.is_alive(), f"ended before: {self.error}; {self.said}"
            assert time.monotonic() < end, f"not in {seconds} s; {self.said}"
            time.sleep(0.1)

    def ended(self, seconds: float = 180) -> list[Attempt]:
        """Wait for the end; check that attempts are complete and the Job is deleted."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"not ended in {seconds} s; {self.said}"
        if self.error is not None:
            raise self.error
        attempts = self.exchange.attempts(self.name)
        assert self._clean is not None
        self._clean()
        return attempts


def here(spec: TrainSpec, out: Path) -> Path:
    """The same training in this process, with one thread like a pod of one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        out.mkdir(parents=True)
        run(spec, out=out)
    finally:
        torch.set_num_threads(threads)
    return out
