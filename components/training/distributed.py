"""Several processes that train as one: the same global batch, the same loss of it, the same step.

Every rank walks the same global batches and runs the model on its own rows of each. What the model says is gathered, so that
each rank computes the loss of the whole batch: contrastive negatives are those of one device, and a loss need not know of
ranks. The gradient of a rank's rows is scaled by the number of ranks, since ``DistributedDataParallel`` takes the mean of all
ranks; the sum is one device's gradient, and a loss's own parameters, whose gradient is whole on each rank, keep theirs.

Source: Li et al. 2020, PyTorch Distributed (arXiv:2006.15704); negatives over all devices, Radford et al. 2021
(arXiv:2103.00020).
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from components.parts.contracts import ModelOutput
from components.training.checkpoint import Checkpoint, Store, decode, encode

START = timedelta(hours=1)
"""Peers may still be copying large inputs."""
PEER = timedelta(minutes=5)
"""A peer that does not answer for so long within a step is lost; one that dies is seen at once."""


@dataclass(frozen=True)
class World:
    """The processes that train together; by default this one alone.

    Attributes:
        rank: number of this process.
        size: how many there are.
        data: carries tensors of the device.
        control: carries flags on the CPU, so that no GPU is waited for.
        patient: carries what rank 0 has read or written in the exchange, which may take long.
    """

    rank: int = 0
    size: int = 1
    data: Any = None
    control: Any = None
    patient: Any = None

    def bounds(self, total: int) -> tuple[int, int]:
        """Which rows of a global batch are this rank's; shares differ by one row at most."""
        return total * self.rank // self.size, total * (self.rank + 1) // self.size

    def any(self, flag: bool) -> bool:
        """Whether any rank says so; all ranks must ask."""
        if self.size == 1:
            return flag
        found = torch.tensor([int(flag)])
        dist.all_reduce(found, op=dist.ReduceOp.MAX, group=self.control)
        return bool(found.item())

    def shared(self, data: bytes | None) -> bytes | None:
        """What rank 0 gives, on every rank; all ranks must ask."""
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

    def alike(self, value: int) -> bool:
        """Whether all ranks have the same number (below 2**62); all ranks must ask."""
        if self.size == 1:
            return True
        extremes = torch.tensor([value, -value])
        dist.all_reduce(extremes, op=dist.ReduceOp.MAX, group=self.control)
        return bool(extremes[0] == -extremes[1])

    def wrapped(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are the mean over all ranks; one without a gradient anywhere keeps none."""
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(
            module, process_group=self.data, forward_sync_buffers=False, find_unused_parameters=True
        )

    def gathered(self, output: ModelOutput, total: int) -> ModelOutput:
        """What the model says of the whole batch, from what each rank says of its rows; differentiable for its own rows."""
        if self.size == 1:
            return output
        flat = {
            "logits": output.logits,
            "fused": output.fused,
            **{f"modality_logits/{name}": value for name, value in output.modality_logits.items()},
            **{f"embeddings/{name}": value for name, value in output.embeddings.items()},
        }
        whole = dict(zip(flat, self._gathered(list(flat.values()), total), strict=True))
        return replace(
            output,
            logits=whole["logits"],
            fused=whole["fused"],
            modality_logits={
                name: whole[f"modality_logits/{name}"] for name in output.modality_logits
            },
            embeddings={name: whole[f"embeddings/{name}"] for name in output.embeddings},
        )

    def _gathered(self, parts: Sequence[Tensor], total: int) -> list[Tensor]:
        """All rows of several tensors ``(own rows, columns)``, in one exchange of float32."""
        start, stop = self.bounds(total)
        widths = [part.shape[1] for part in parts]
        own = parts[0].new_zeros(
            -(-total // self.size), sum(widths), dtype=torch.float32
        )  # uneven shares are padded
        own[: stop - start] = torch.cat([part.detach().float() for part in parts], dim=1)
        everyone = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(everyone, own, group=self.data)
        counts = [
            b - a for a, b in (replace(self, rank=rank).bounds(total) for rank in range(self.size))
        ]
        joined = torch.cat([rows[:count] for rows, count in zip(everyone, counts, strict=True)])
        return [
            cast(Tensor, _Placed.apply(part, whole.to(part.dtype), start, self.size))  # type: ignore[no-untyped-call]
            for part, whole in zip(parts, torch.split(joined, widths, dim=1), strict=True)
        ]


ALONE = World()


class _Placed(torch.autograd.Function):
    """The whole tensor forward; backward, the gradient of this rank's rows times the number of ranks.

    Each rank computes the same loss of the same whole, so its gradient needs no exchange here.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, whole: Tensor, start: int, size: int) -> Tensor:  # noqa: ANN401
        ctx.start, ctx.rows, ctx.size = start, len(part), size
        return whole.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        return gradients[0][ctx.start : ctx.start + ctx.rows] * ctx.size, None, None, None


@dataclass(frozen=True)
class Shared:
    """Checkpoints that rank 0 alone reads and writes for all."""

    store: Store
    world: World

    def read(self, name: str, key: str) -> Checkpoint | None:
        """See ``Store``."""
        found = self.store.read(name, key) if self.world.rank == 0 else None
        data = self.world.shared(encode(found, key) if found is not None else None)
        return decode(data, key) if data is not None else None

    def write(self, name: str, checkpoint: Checkpoint, key: str) -> None:
        """See ``Store``; no rank goes on, or ends, before it is written."""
        if self.world.rank == 0:
            self.store.write(name, checkpoint, key)
        self.world.shared(b"")


@contextmanager
def joined(device: str) -> Iterator[World]:
    """The world that torchrun's environment describes; alone where there is none.

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
    # Not after an error: a rank that failed must be seen by its exit code, before its peers see its connection close.
    dist.destroy_process_group()


@contextmanager
def _killable() -> Iterator[None]:
    """Within, SIGTERM ends the process at once: a handler of Python would wait until the peers are met."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def lost_peer(error: BaseException) -> bool:
    """Whether an exception says that another rank is gone."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and (
        "gloo" in str(error).lower() or "NCCL" in str(error)
    )
