"""Rows named by their position in a data file, counted from 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Places = npt.NDArray[np.int64]


def within(positions: Places, first: int, count: int) -> Places:
    """Those of `count` rows from position `first` on, counted from there. The positions ascend."""
    return positions[slice(*np.searchsorted(positions, (first, first + count)))] - first


def without(rows: pa.RecordBatch, positions: Places) -> pa.RecordBatch:
    """The rows but for those at some positions."""
    if not len(positions):
        return rows
    keep = np.ones(rows.num_rows, np.bool_)
    keep[positions] = False
    return rows.filter(pa.array(keep))


def met_by(keys: npt.NDArray[np.int64], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows without those whose first column, a whole number, is none of the keys, where that is cheap to tell.

    Files are often written in the order of their key: the rows are then found by bisection. Where the column does not
    ascend, all rows are left.

    Args:
        keys: ascending, each once.
    """
    for rows in batches:
        column = rows.column(0)
        stored = column.to_numpy() if rows.num_rows and not column.null_count else np.empty(0, np.int64)
        if len(stored) and (stored[1:] > stored[:-1]).all():
            first, last = np.searchsorted(keys, stored[0]), np.searchsorted(keys, stored[-1], side="right")
            places = np.searchsorted(stored, keys[first:last])
            yield rows.take(pa.array(places[stored[places] == keys[first:last]]))
        else:
            yield rows


class RowBits:
    """Which rows of a file were named so far, in any order, some more than once: a bit for each row."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._bits = np.zeros((rows + 7) // 8, np.uint8)

    def add(self, positions: Places) -> None:
        """Name some more."""
        np.bitwise_or.at(self._bits, positions >> 3, np.left_shift(1, positions & 7).astype(np.uint8))

    @property
    def count(self) -> int:
        """How many are named."""
        return self.to_arrow().true_count

    def to_arrow(self) -> pa.BooleanArray:
        """For every row of the file, whether it is named."""
        buffers = [None, pa.py_buffer(self._bits)]
        return pa.BooleanArray.from_buffers(pa.bool_(), self._rows, buffers)
