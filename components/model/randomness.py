"""The random numbers of one device, on every one of several processes that each hold some rows of a batch.

Inside ``sliced`` each process draws for all rows of the global batch and keeps those of its own rows. All generators thus move
alike, and the masks do not depend on how many processes there are. Outside of it nothing changes. ``torch``'s own functions are
caught, so that fusions and encoders, a user's own ones too, use them as ever. Other draws are not caught (``bernoulli``,
``normal_``, dropout inside of attention): with several processes the training loop refuses a part that makes them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Rows ``start`` to ``stop`` of ``present (total, modalities)`` are here; ``total`` counts those now processed."""

    present: NDArray[np.bool_]
    local: slice
    total: int
    start: int
    stop: int


_ROWS: ContextVar[_Rows | None] = ContextVar("rows", default=None)


@contextmanager
def sliced(present: NDArray[np.bool_], start: int, stop: int) -> Iterator[None]:
    """Random numbers drawn within are those of rows ``start`` to ``stop`` of a global batch ``present (rows, modalities)``.

    They are caught in ``dropout``, ``rand``, ``randn`` and their ``_like`` forms, where the first dimension is the rows here.
    """
    rows = _Rows(
        present=present, local=slice(start, stop), total=len(present), start=start, stop=stop
    )
    token = _ROWS.set(rows)
    try:
        with _Catch():
            yield
    finally:
        _ROWS.reset(token)


@contextmanager
def narrowed(column: int) -> Iterator[bool]:
    """Within, the rows are those that have a modality; tells whether any process has one.

    If so, also a process without such a row must run what draws random numbers, on none of its rows.
    """
    rows = _ROWS.get()
    if rows is None:
        yield False
        return
    has = rows.present[:, column]
    start, stop = int(has[: rows.local.start].sum()), int(has[: rows.local.stop].sum())
    token = _ROWS.set(
        _Rows(present=rows.present, local=rows.local, total=int(has.sum()), start=start, stop=stop)
    )
    try:
        yield bool(has.any())
    finally:
        _ROWS.reset(token)


class _Catch(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        rows = _ROWS.get()
        caught = _CAUGHT.get(func)
        assert rows is not None
        return (
            func(*args, **(kwargs or {}))
            if caught is None
            else caught(rows, *args, **(kwargs or {}))
        )


def _dropout(
    rows: _Rows, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    if not training or p == 0 or len(input) != rows.stop - rows.start:
        return F.dropout(input, p, training, inplace)
    mask = F.dropout(input.new_ones(rows.total, *input.shape[1:]), p)[rows.start : rows.stop]
    return input.mul_(mask) if inplace else input * mask


def _drawn(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def of_size(rows: _Rows, *size: Any, **options: Any) -> Tensor:  # noqa: ANN401
        shape = tuple(
            options.pop("size", None)
            or (size[0] if len(size) == 1 and not isinstance(size[0], int) else size)
        )
        if not shape or shape[0] != rows.stop - rows.start:
            return draw(shape, **options)
        return draw((rows.total, *shape[1:]), **options)[rows.start : rows.stop]

    return of_size


def _drawn_like(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def like(rows: _Rows, input: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
        if input.ndim == 0 or len(input) != rows.stop - rows.start:
            return draw(input, **options)
        return draw(input.new_empty(rows.total, *input.shape[1:]), **options)[
            rows.start : rows.stop
        ]

    return like


_CAUGHT: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.dropout: _dropout,
    torch.rand: _drawn(torch.rand),
    torch.randn: _drawn(torch.randn),
    torch.rand_like: _drawn_like(torch.rand_like),
    torch.randn_like: _drawn_like(torch.randn_like),
}
