"""What parts return, checked where it enters a training: a user's own part may return anything.

Shapes are known without waiting for a device, so that every step can be checked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from components.core.errors import UserError


def described(value: object) -> str:
    """What a value is, for messages.

    >>> described(None), described(2.0)
    ('None', 'a float')
    """
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"


def tensor(part: str, value: object, shape: Sequence[int]) -> Tensor:
    """A tensor of a shape; ``()`` is a scalar.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(value, Tensor) or tuple(value.shape) != tuple(shape):
        wanted = f"a tensor {tuple(shape)}" if shape else "a scalar tensor"
        raise UserError(f"{part} returned {described(value)}, wanted {wanted}")
    return value


def scalars(part: str, found: object, names: Sequence[str]) -> list[Tensor]:
    """Scalars by name, in an order.

    Raises:
        UserError: there is no mapping, it lacks a name, or something is no scalar tensor.
    """
    if not isinstance(found, Mapping) or (lacking := [n for n in names if n not in found]):
        got = (
            f"a mapping without {', '.join(lacking)}"
            if isinstance(found, Mapping)
            else described(found)
        )
        raise UserError(f"{part} returned {got}, wanted a mapping of {', '.join(names)} to scalars")
    return [tensor(f"{part}: {name}", found[name], ()) for name in names]


def vectors(part: str, value: Any, dim: int) -> Tensor:  # noqa: ANN401
    """Vectors ``(batch, dim)``; the number of records is not looked at.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(value, Tensor) or tuple(value.shape[1:]) != (dim,):
        raise UserError(f"{part} returned {described(value)}, wanted a tensor (batch, {dim})")
    return value
