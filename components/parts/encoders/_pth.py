"""Reads the tensors of a ``.pth`` file of torch before 1.6, without torch and without unpickling.

Such a file is five pickles (a mark, a protocol, the machine, the tensors, the storages' names) and
then the bytes of each storage. ``pickletools`` lists the words of a pickle and runs none of them;
the few that describe tensors are followed here, and any other one ends the reading. So nothing but
arrays can come of a file, as with ``torch.load(weights_only=True)``, whose import takes seconds and
hundreds of megabytes.
"""

import pickletools
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from components.core.errors import UserError

_MARK, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
_EMPTY: dict[str, Any] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_FLAGS = {"NONE": None, "NEWFALSE": False, "NEWTRUE": True}
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "GLOBAL"}
_OPEN = object()
"""Stands on the stack where a tuple, or the contents of a list or a dictionary, begin."""


class _Later:
    """A tensor whose numbers come later in the file."""

    def __init__(
        self,
        storage: tuple[str, str, str, str, int, None],
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        *_: object,
    ) -> None:
        _word, kind, self.key, _device, _size, view = storage
        if view is not None:
            raise ValueError("a view of a storage")
        self.dtype = np.dtype(_TYPES[kind])
        self._offset, self._shape, self._strides = offset, shape, strides

    def read(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Its numbers, out of those of its whole storage."""
        last = self._offset + sum(
            (size - 1) * step for size, step in zip(self._shape, self._strides, strict=True)
        )
        if min(self._offset, *self._shape, *self._strides, 0) < 0 or last >= len(numbers):
            raise ValueError("a tensor outside its storage")
        steps = [step * numbers.itemsize for step in self._strides]
        return np.lib.stride_tricks.as_strided(numbers[self._offset :], self._shape, steps)


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name.

    Raises:
        UserError: not such a file, or it holds anything but tensors.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except Exception as error:  # damage shows in many kinds
        raise UserError(
            f"{path}: got {error}, wanted the tensors of a network; install its package again"
        ) from error


def _read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    mark, protocol, _machine, tensors, keys = (_followed(file) for _ in range(5))
    if (mark, protocol) != (_MARK, _PROTOCOL):
        raise ValueError("a file of another form")
    dtypes = {tensor.key: tensor.dtype for tensor in tensors.values()}
    storages = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * dtypes[key].itemsize), dtypes[key])
    return {name: tensor.read(storages[tensor.key]) for name, tensor in tensors.items()}


def _followed(file: BinaryIO) -> Any:  # noqa: ANN401
    """The value that one pickle describes: numbers, texts, lists, tuples, mappings, tensors."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for word, value, _ in pickletools.genops(file):
        name = word.name
        if name in _VALUES:
            stack.append(value)
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _FLAGS:
            stack.append(_FLAGS[name])
        elif name == "MARK":
            stack.append(_OPEN)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[value] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[value])
        elif name == "REDUCE":
            arguments, called = stack.pop(), stack.pop()
            stack.append(_made(called, arguments))
        elif name == "BUILD":  # what torch notes beside a dictionary of tensors
            stack.pop()
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "BINPERSID"):  # a storage is its description, which lies there
            _gather(name, stack)
    raise ValueError("a pickle without an end")


def _gather(name: str, stack: list[Any]) -> None:
    """Put values from the top of the stack into a tuple, list or dictionary."""
    if name in ("TUPLE", "APPENDS", "SETITEMS"):
        start = len(stack) - 1 - stack[::-1].index(_OPEN)
        found = stack[start + 1 :]
        del stack[start:]
    elif count := {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2}.get(name):
        found = stack[-count:]
        del stack[-count:]
    else:
        raise ValueError(f"the word {name}, which describes no tensor")
    if name.startswith("TUPLE"):
        stack.append(tuple(found))
    elif name.startswith("APPEND"):
        stack[-1].extend(found)
    else:
        stack[-1].update(zip(found[::2], found[1::2], strict=True))


def _made(called: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """What a call in the file stands for; there are two, and neither is made."""
    if called == "collections OrderedDict" and not arguments:
        return {}
    if called == "torch._utils _rebuild_tensor_v2":
        return _Later(*arguments)
    raise ValueError(f"the name {called!r}, which is no part of a tensor")
