"""Several processes that train as one: the same global batch, the same loss of it, the same step.

Every rank walks the same global batches and runs the model on its own rows of each. Model outputs
are gathered, so that each rank computes the loss of the whole batch: contrastive negatives are
those of one device, and a loss does not know about ranks. ``DistributedDataParallel`` averages the
gradients of all ranks. The gradient of a rank's rows is therefore multiplied by the number of
ranks, and the average becomes the sum, which is one device's gradient. A loss's own parameters
have their whole gradient on each rank, and keep it.

``torch.distributed.nn.functional.all_gather`` computes the same, but with a second exchange in the
backward pass. Its order among DDP's own depends on which parameters a rank used, and ranks may
differ in that (a modality that none of their rows has): with buckets of 1 kB three ranks hung.

Source: Li et al. 2020, PyTorch Distributed (arXiv:2006.15704); negatives over all devices, Radford
et al. 2021 (arXiv:2103.00020).
"""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from components.parts.network import ModelOutput
from components.training.checkpoint import Checkpoint, Store, decode, encode

START = timedelta(hours=1)
"""How long peers are waited for at the start; they may be copying large inputs."""
PEER = timedelta(minutes=5)
"""After this long without an answer a peer is lost; the death of one is noticed at once."""


@dataclass(frozen=True)
class World:
    """The processes that train together; by default this one alone.

    Attributes:
        rank: number of this process.
        size: number of processes.
        data: process group for tensors on the device.
        control: process group for flags on the CPU, so that nothing waits for a GPU.
        patient: process group for what rank 0 reads from the exchange, which may take long.
    """

    rank: int = 0
    size: int = 1
    data: Any = None
    control: Any = None
    patient: Any = None

    def bounds(self, total: int) -> tuple[int, int]:
        """Start and stop of this rank's rows of a batch; shares differ by at most one row."""
        return total * self.rank // self.size, total * (self.rank + 1) // self.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; all ranks must call this."""
        if self.size == 1:
            return flag
        found = torch.tensor([int(flag)])
        dist.all_reduce(found, op=dist.ReduceOp.MAX, group=self.control)
        return bool(found.item())

    def first(self, value: float) -> float:
        """The number of rank 0, on every rank; all ranks must call this."""
        if self.size == 1:
            return value
        found = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(found, group=self.control, group_src=0)
        return float(found.item())

    def broadcast(self, data: bytes | None) -> bytes | None:
        """The bytes (or None) that rank 0 passes, on every rank; all ranks must call this."""
        if self.size == 1:
            return data
        length = torch.tensor([-1 if data is None else len(data)])
        dist.broadcast(length, group=self.patient, group_src=0)
        if length.item() < 0:
            return None
        content = (
            torch.frombuffer(bytearray(data), dtype=torch.uint8)
            if data
            else torch.empty(int(length), dtype=torch.uint8)
        )
        if len(content):
            dist.broadcast(content, group=self.patient, group_src=0)
        return content.numpy().tobytes()

    def wrapped(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are the mean over all ranks.

        A parameter without a gradient on any rank keeps none.
        """
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(
            module, process_group=self.data, forward_sync_buffers=False, find_unused_parameters=True
        )

    def gathered(self, output: ModelOutput, total: int) -> ModelOutput:
        """Model outputs of the whole batch from those of each rank's rows.

        Args:
            output: of this rank's rows; gradients flow back to these only.
            total: rows of the whole batch.
        """
        if self.size == 1:
            return output
        flat = {
            "logits": output.logits,
            "fused": output.fused,
            **{f"modality_logits/{name}": value for name, value in output.modality_logits.items()},
            **{f"embeddings/{name}": value for name, value in output.embeddings.items()},
            **{f"extras/{name}": value for name, value in output.extras.items()},
        }
        whole = self.whole(flat, total)
        return replace(
            output,
            logits=whole["logits"],
            fused=whole["fused"],
            modality_logits={
                name: whole[f"modality_logits/{name}"] for name in output.modality_logits
            },
            embeddings={name: whole[f"embeddings/{name}"] for name in output.embeddings},
            extras={name: whole[f"extras/{name}"] for name in output.extras},
        )

    def whole(self, rows: Mapping[str, Tensor], total: int) -> dict[str, Tensor]:
        """Rows ``(total, …)`` of the whole batch from each rank's own, by name.

        Args:
            rows: of this rank, ``(own rows, columns)``.
            total: rows of the whole batch.
        """
        if self.size == 1:
            return dict(rows)
        return dict(zip(rows, self._gathered(list(rows.values()), total), strict=True))

    def _gathered(self, parts: Sequence[Tensor], total: int) -> list[Tensor]:
        """``(total, columns)`` from ``(own rows, columns)`` of each part, in one exchange."""
        start, stop = self.bounds(total)
        widths = [part.shape[1] for part in parts]
        longest = -(-total // self.size)  # shorter shares are padded
        own = parts[0].new_zeros(longest, sum(widths), dtype=torch.float32)
        own[: stop - start] = torch.cat([part.detach().float() for part in parts], dim=1)
        everyone = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(everyone, own, group=self.data)
        counts = [
            b - a for a, b in (replace(self, rank=rank).bounds(total) for rank in range(self.size))
        ]
        joined = torch.cat([rows[:count] for rows, count in zip(everyone, counts, strict=True)])
        found = []
        for part, whole in zip(parts, torch.split(joined, widths, dim=1), strict=True):
            # The value of part, with its gradient multiplied by the number of ranks.
            own = part + (self.size - 1) * (part - part.detach())
            others = whole.to(part.dtype)
            found.append(torch.cat([others[:start], own, others[stop:]]))
        return found


ALONE = World()


@dataclass(frozen=True)
class Shared:
    """Checkpoints that rank 0 alone reads and writes, for all ranks."""

    store: Store
    world: World

    def read(self, name: str, key: str) -> Checkpoint | None:
        """See ``Store``."""
        found = self.store.read(name, key) if self.world.rank == 0 else None
        data = self.world.broadcast(encode(found, key) if found is not None else None)
        return decode(data, key) if data is not None else None

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """See ``Store``; no rank continues, or ends, before the checkpoint is written."""
        if self.world.rank == 0:
            self.store.write(name, checkpoint, key)
        self.world.broadcast(b"")


@contextmanager
def joined(device: str) -> Iterator[World]:
    """The world that torchrun's environment describes; ``ALONE`` without one.

    Args:
        device: ``cpu``, ``cuda`` or ``auto`` (CUDA where torch sees a device).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    with _killable():
        dist.init_process_group("nccl" if cuda else "gloo", timeout=START)
        dist.barrier()
        world = World(
            rank=dist.get_rank(),
            size=dist.get_world_size(),
            data=dist.new_group(timeout=PEER),
            control=dist.new_group(timeout=PEER, backend="gloo"),
            patient=dist.new_group(timeout=START, backend="gloo"),
        )
    yield world
    # Not after an error: the launcher must see the exit code of a rank that failed before its peers
    # see its connection close.
    dist.destroy_process_group()


@contextmanager
def _killable() -> Iterator[None]:
    """Let SIGTERM end the process at once: a Python handler would run only once peers have come."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def lost_peer(error: BaseException) -> bool:
    """Whether an exception means that another rank has ended."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and (
        "gloo" in str(error).lower() or "NCCL" in str(error)
    )
