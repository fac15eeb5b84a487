"""Rows of a view, dense or sparse: put in their places, joined, and written as they come.

A dense view is a numpy array ``(n, *shape)``, in one file ``<view>.npy``. A sparse one is a
``scipy.sparse.csr_array (n, columns)``, in a folder of the view's name with one file for each of
its three arrays.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from components.features.spec import ViewSpec

Rows = Any
"""A numpy array ``(n, *shape)``, or a ``scipy.sparse.csr_array (n, columns)``."""


def placed(rows: Rows, at: NDArray[np.int64], count: int) -> Rows:
    """``count`` rows, of which those at the rising positions ``at`` are given, others zeros."""
    if isinstance(rows, np.ndarray):
        out = np.zeros((count, *rows.shape[1:]), rows.dtype)
        out[at] = rows
        return out
    lengths = np.zeros(count + 1, rows.indptr.dtype)
    lengths[1 + at] = np.diff(rows.indptr)
    return _csr(rows.data, rows.indices, np.cumsum(lengths, dtype=lengths.dtype), rows.shape[1])


def joined(pieces: Sequence[Rows]) -> Rows:
    """The rows of all pieces, of which there is at least one."""
    if isinstance(pieces[0], np.ndarray):
        return np.concatenate(pieces)
    from scipy.sparse import vstack

    return vstack(pieces, format="csr")


def opened(path: Path, view: ViewSpec) -> Rows:
    """The rows that a ``RowsWriter`` wrote, memory-mapped.

    Raises:
        OSError: a file is missing.
    """
    if not view.sparse:
        return np.load(path.with_name(f"{path.name}.npy"), mmap_mode="r")
    data, indices, indptr = (
        np.load(path / f"{part}.npy", mmap_mode="r") for part in ("data", "indices", "indptr")
    )
    return _csr(data, indices, indptr, view.shape[0])


def sparse_rows(
    data: NDArray[Any], indices: NDArray[Any], lengths: NDArray[np.int64], columns: int
) -> Rows:
    """A ``csr_array`` of rows that have ``lengths (n,)`` members, sorted by column."""
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return _csr(data, indices, indptr.astype(_index_type(int(indptr[-1]))), columns)


class RowsWriter(Protocol):
    """Takes the rows of a view from the first to the last; rows that are left out are zeros."""

    def add(self, at: NDArray[np.int64], rows: Rows) -> None:
        """Write rows to the rising positions ``at``, which follow all earlier ones."""
        ...

    def close(self) -> None:
        """Finish the files."""
        ...


def writer(path: Path, view: ViewSpec, count: int) -> RowsWriter:
    """Write ``count`` rows of a view; ``path`` has no suffix."""
    return _SparseWriter(path, view, count) if view.sparse else _DenseWriter(path, view, count)


class _DenseWriter:
    def __init__(self, path: Path, view: ViewSpec, count: int) -> None:
        self._array = npy.open_memmap(
            path.with_name(f"{path.name}.npy"),
            mode="w+",
            dtype=np.dtype(view.dtype),
            shape=(count, *view.shape),
        )

    def add(self, at: NDArray[np.int64], rows: Rows) -> None:
        self._array[at] = rows

    def close(self) -> None:
        self._array.flush()


class _SparseWriter:
    def __init__(self, path: Path, view: ViewSpec, count: int) -> None:
        path.mkdir()
        self._path, self._lengths = path, np.zeros(count, np.int64)
        self._data = _Growing(path / "data.npy", np.dtype(view.dtype))
        self._indices = _Growing(path / "indices.npy", np.dtype(np.int32))

    def add(self, at: NDArray[np.int64], rows: Rows) -> None:
        rows.sort_indices()
        self._lengths[at] = np.diff(rows.indptr)
        self._data.add(rows.data)
        self._indices.add(rows.indices)

    def close(self) -> None:
        self._data.close()
        self._indices.close()
        indptr = np.concatenate([[0], np.cumsum(self._lengths)])
        # Beyond 2^31 members scipy copies the column numbers into 64 bits when it opens them.
        np.save(self._path / "indptr.npy", indptr.astype(_index_type(int(indptr[-1]))))


class _Growing:
    """A ``.npy`` file of one axis, whose length is known at the end."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file, self._dtype, self._length = path.open("wb"), dtype, 0
        self._start = self._header()

    def add(self, values: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self._length += len(values)

    def close(self) -> None:
        self._file.seek(0)
        # numpy leaves room in a header, so that the first axis may grow in place.
        assert self._header() == self._start
        self._file.close()

    def _header(self) -> int:
        descr = npy.dtype_to_descr(self._dtype)
        shape = {"descr": descr, "fortran_order": False, "shape": (self._length,)}
        npy.write_array_header_1_0(self._file, shape)
        return self._file.tell()


def _csr(data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], columns: int) -> Rows:
    from scipy.sparse import csr_array

    rows = csr_array((data, indices, indptr), shape=(len(indptr) - 1, columns))
    # Said rather than found out, which would read all of a file.
    rows.has_canonical_format = True
    return rows


def _index_type(members: int) -> type[np.signedinteger[Any]]:
    return np.int32 if members <= np.iinfo(np.int32).max else np.int64
