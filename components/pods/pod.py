"""A pod's environment, how it is stopped, and how it reports its end: exit code and message."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from components.core.errors import Interrupted, UsageError, UserError
from components.exchange.errors import ExchangeError
from components.parts import own
from components.pods import exit_codes

_MOST_MESSAGE = 4000
"""Bytes of a message; Kubernetes keeps 4096 of a container's last one."""
_BETWEEN_LINES = 1.0
"""Seconds between lines of progress."""
_LATE = 1.0
"""Seconds that a rank which lost a peer waits before it exits, so that the peer exits first."""


class PreflightError(UserError):
    """The pod has other GPUs or other code than requested."""


class PeersError(UserError):
    """The peers of a training run did not arrive."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """Environment of a training pod, set by the Job's manifest.

    Attributes:
        token: of this attempt, which writes under no other one (``CONCORD_ATTEMPT``: the pod's UID;
            else random).
        cache: folder on the local disk for inputs (``CONCORD_CACHE``).
        device: ``auto``, ``cpu`` or ``cuda`` (``CONCORD_DEVICE``).
        gpus: number of GPUs of the pod (``CONCORD_GPUS``); None where it is not known.
        code: digest of the submitting code (``CONCORD_CODE``); None accepts any.
        checkpoint_steps: steps between checkpoints (``CONCORD_CHECKPOINT_STEPS``); None for one
            after each epoch only.
    """

    token: str
    cache: Path
    device: str = "auto"
    gpus: int | None = None
    code: str | None = None
    checkpoint_steps: int | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Pod":
        """From the environment.

        Raises:
            UsageError: a value that is not valid.
        """

        def number(name: str, least: int) -> int | None:
            text = environment.get(name) or None
            if text is not None and not (text.isdecimal() and int(text) >= least):
                raise UsageError(f"{name}: got {text!r}, wanted a number of at least {least}")
            return None if text is None else int(text)

        device = environment.get("CONCORD_DEVICE") or "auto"
        if device not in {"auto", "cpu", "cuda"}:
            raise UsageError(f"CONCORD_DEVICE: got {device!r}, wanted auto, cpu or cuda")
        return cls(
            token=environment.get("CONCORD_ATTEMPT") or uuid.uuid4().hex,
            cache=Path(
                environment.get("CONCORD_CACHE") or Path(tempfile.gettempdir()) / "concord-cache"
            ),
            device=device,
            gpus=number("CONCORD_GPUS", 0),
            code=environment.get("CONCORD_CODE") or None,
            checkpoint_steps=number("CONCORD_CHECKPOINT_STEPS", 1),
        )

    def preflight(self) -> None:
        """Check that the pod is what was requested.

        Raises:
            PreflightError: other code, or other GPUs than assigned.
        """
        from components.pods.code import code_digest

        if self.code is not None and self.code != code_digest():
            raise PreflightError(
                f"preflight: this image holds code {code_digest()[:12]}, the run was submitted "
                f"with code {self.code[:12]}; build the image from the same sources, or set "
                "trainer.any_code to accept it"
            )
        if self.device != "cuda":
            return
        import torch

        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if seen != self.gpus and not (self.gpus is None and seen):
            raise PreflightError(
                f"preflight: torch sees {seen} CUDA devices, wanted {self.gpus or 'at least 1'} "
                "(trainer.device is cuda); check trainer.gpus and trainer.gpu_resource, the node's "
                "driver and device plugin, and that the image's torch is built for CUDA "
                f"(it is {torch.__version__}); or set trainer.device to cpu"
            )


_CODES = (
    (UsageError, exit_codes.USAGE),
    (PreflightError, exit_codes.PREFLIGHT),
    (ExchangeError, exit_codes.IO),
    (PeersError, exit_codes.IO),
    (UserError, exit_codes.DATA),
)


class Parser(argparse.ArgumentParser):
    """A command line with ``--config``, ``--out`` and ``--seal``; mistakes raise, not exit."""

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(prog=prog, description=description)
        self.add_argument(
            "--config", required=True, help="URI of a spec as JSON: EXCHANGE/jobs/JOB/spec.json"
        )
        self.add_argument("--out", required=True, help="URI of the job: EXCHANGE/jobs/JOB")
        self.add_argument("--seal", help="the seal that the spec must have; without it any")

    def error(self, message: str) -> NoReturn:
        """A wrong command line.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{self.prog}: {message}; {self.format_usage().strip()}")


class Stop:
    """Whether a signal has asked the work to stop.

    The process exits at once unless a training loop has begun to ask; the loop then stops after a
    step and writes a checkpoint. A part of a data set never asks: its finished chunks are in the
    exchange, and the current one may take longer than the grace period.
    """

    def __init__(self) -> None:
        self._asked = self._stepping = False

    def __call__(self) -> bool:
        """Called by the training loop at the end of each step."""
        self._stepping = True
        return self._asked

    def listen(self) -> None:
        """Handle SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._asked = True
        if not self._stepping:
            message(
                f"stopped by {signal.Signals(number).name}; finished work is kept, "
                "and the next attempt resumes from it",
                cause=False,
            )
            sys.exit(exit_codes.INTERRUPTED)


class Lines:
    """Progress and figures on standard error, one JSON object a line, from the first step on.

    Args:
        quiet: write nothing, because another rank does.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet, self._last = quiet, -_BETWEEN_LINES

    def progress(self, what: str, step: int, total: int) -> None:
        """Call after every step."""
        now = time.monotonic()
        if now - self._last >= _BETWEEN_LINES:
            self._last = now
            self._write({"step": step, "total": total, "what": what})

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Write the figures of an epoch."""
        self._write({"step": step, **metrics})

    def _write(self, line: dict[str, object]) -> None:
        if not self._quiet:
            sys.stderr.write(json.dumps(line) + "\n")
            sys.stderr.flush()


def message(text: str, *, cause: bool = True) -> None:
    """Write how it ended to standard error and to the file that Kubernetes shows as pod status.

    Args:
        text: what happened.
        cause: False for a consequence, which does not replace a cause that another rank of this pod
            has written.
    """
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
    path = Path(os.environ.get("CONCORD_TERMINATION_LOG", "/dev/termination-log"))
    try:
        if cause or not path.exists() or not path.stat().st_size:
            path.write_text(
                text.encode()[-_MOST_MESSAGE:].decode(errors="ignore"), encoding="utf-8"
            )
    except OSError:
        return  # not in a pod, or not writable; the log has it


def ended(work: Callable[[], int]) -> int:
    """Exit code of some work: its own, or the one of the error that it raised."""
    try:
        return work()
    except Interrupted as stopped:
        message(f"{stopped}; the next attempt resumes from its checkpoint", cause=False)
        return exit_codes.INTERRUPTED
    except UserError as error:
        message(str(error))
        return next(code for kind, code in _CODES if isinstance(error, kind))
    except Exception as error:
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    if "torch.distributed" in sys.modules:  # else torch itself may be what is missing
        from components.training.distributed import lost_peer

        if lost_peer(error):
            time.sleep(_LATE)
            first = str(error).splitlines()[0]
            message(
                f"a peer of this training run has ended ({first}); "
                "the next attempt resumes from the last checkpoint",
                cause=False,
            )
            return exit_codes.INTERRUPTED
    mistake = own.blamed(error)
    message(str(mistake) if mistake else "".join(traceback.format_exception(error)))
    return exit_codes.BUG
