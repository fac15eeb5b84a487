"""Arrow's arrays as numpy's."""

from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def numbers(values: pa.Array, null: float, dtype: type[Number]) -> NDArray[Number]:
    """An array of numbers ``(n,)``, null replaced.

    Arrow's own `fill_null` and `to_numpy` would import pandas where there are nulls.
    """
    values = values.cast(pa.from_numpy_dtype(dtype))
    valid, held = values.buffers()
    part = slice(values.offset, values.offset + len(values))
    if not len(values):
        return np.zeros(0, dtype)
    numbers = np.frombuffer(held, dtype, part.stop)[part]
    if valid is None:
        return numbers
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=part.stop, bitorder="little")
    return np.where(bits[part] > 0, numbers, np.array(null, dtype))
