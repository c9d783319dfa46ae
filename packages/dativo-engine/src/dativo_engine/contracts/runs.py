"""A set of 64-bit values, of any size, in sorted runs: first in memory, then on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dativo_engine.contracts.spill import SpillFile

Int64s: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
_BLOCK = 1 << 16
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Run:
    """Sorted values, and for each the ordinal it was added with; no ordinals where nobody asks for them."""

    values: Int64s
    ordinals: Int64s

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        return self.values.nbytes + self.ordinals.nbytes


class DiskRun:
    """A run in a file. Memory holds the first and last value of each of its blocks."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._file = SpillFile(folder)
        self._file.append(run.values)
        self._file.append(run.ordinals)
        self._length = len(run.values)
        self._first = run.values[::_BLOCK].copy()
        self._last = np.append(run.values[_BLOCK - 1 :: _BLOCK], run.values[-1:])[: len(self._first)]

    def blocks(self, wanted: Int64s) -> Iterator[Run]:
        """The parts of the run that may hold one of the wanted values, which are sorted."""
        has_some = np.searchsorted(wanted, self._first, "left") < np.searchsorted(wanted, self._last, "right")
        for block in np.flatnonzero(has_some).tolist():
            start = block * _BLOCK
            count = min(_BLOCK, self._length - start)
            yield Run(self._read(start, count), self._read(self._length + start, count))

    def _read(self, start: int, count: int) -> Int64s:
        return np.frombuffer(self._file.read(start * 8, count * 8), np.int64)


class SortedRuns:
    """The values seen so far. A log-structured merge: a run is merged with the one before it while that is small.

    Runs that ascend from one to the next stay apart, as long as they are not tiny: none of them is searched in vain.
    """

    def __init__(self, *, memory_bytes: int, folder: Path) -> None:
        self._memory_bytes, self._folder = memory_bytes, folder
        self._runs: list[Run] = []
        self._disk: list[DiskRun] = []

    def add(self, values: Int64s, ordinals: Int64s) -> None:
        """Take sorted values, and an ordinal for each; always none, or always all."""
        if len(values) == 0:
            return
        # A copy: the values may be a view into a batch that is much larger.
        self._runs.append(Run(values.copy(), ordinals))
        while len(self._runs) > 1 and _should_merge(self._runs[-2], self._runs[-1]):
            self._runs[-2:] = [_merge(self._runs[-2:])]
        # Merging holds the old runs, the new one and its sort order for a moment.
        if sum(run.size for run in self._runs) > self._memory_bytes // 4:
            self._disk.append(DiskRun(_merge(self._runs), self._folder))
            self._runs.clear()

    def find(self, wanted: Int64s) -> tuple[Int64s, Int64s]:
        """Where the wanted values (sorted) are found: their positions in `wanted`, and the ordinals they came with.

        A position comes once for every ordinal.
        """
        found = [_find_in(run, wanted) for run in self._parts(wanted)]
        found = [pair for pair in found if len(pair[0])]
        if not found:
            return _NONE, _NONE
        return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])

    def _parts(self, wanted: Int64s) -> Iterator[Run]:
        yield from self._runs
        for run in self._disk:
            yield from run.blocks(wanted)


def ascends(values: Int64s) -> bool:
    """Whether each value is greater than the one before."""
    return bool(np.all(values[1:] > values[:-1]))


def _should_merge(before: Run, after: Run) -> bool:
    apart = before.values[-1] < after.values[0]
    return len(before.values) <= 2 * len(after.values) and (len(before.values) < _BLOCK or not apart)


def _merge(runs: list[Run]) -> Run:
    if len(runs) == 1:
        return runs[0]
    values = np.concatenate([run.values for run in runs])
    ordinals = np.concatenate([run.ordinals for run in runs])
    if all(int(before.values[-1]) <= int(after.values[0]) for before, after in pairwise(runs)):
        return Run(values, ordinals)
    order = np.argsort(values, kind="stable")
    return Run(values[order], ordinals[order] if len(ordinals) else ordinals)


def _find_in(run: Run, wanted: Int64s) -> tuple[Int64s, Int64s]:
    # Keys often ascend from batch to batch; then none of them lies within an earlier run.
    start = int(np.searchsorted(wanted, run.values[0], "left"))
    end = int(np.searchsorted(wanted, run.values[-1], "right"))
    if start == end:
        return _NONE, _NONE
    left = np.searchsorted(run.values, wanted[start:end], "left")
    hits = np.flatnonzero(run.values[left] == wanted[start:end])
    if len(hits) == 0 or len(run.ordinals) == 0:
        return hits + start, run.ordinals
    # One value may be there several times: two keys can share a hash.
    count = np.searchsorted(run.values, wanted[start:end][hits], "right") - left[hits]
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(hits + start, count), run.ordinals[np.repeat(left[hits], count) + within]
