"""Rows named by their position in a data file, counted from 0."""

from __future__ import annotations

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
