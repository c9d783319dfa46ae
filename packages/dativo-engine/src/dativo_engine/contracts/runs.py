"""A set of 64-bit values, of any size, in sorted runs: first in memory, then on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

Int64s: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
_BLOCK = 1 << 16


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
    """A run in a file of its own, which has no name and so vanishes with the process. Memory holds its block bounds."""

    def __init__(self, run: Run, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the run
        run.values.tofile(self._file)
        run.ordinals.tofile(self._file)
        self._file.flush()
        self._length = len(run.values)
        self._first = run.values[::_BLOCK].copy()
        self._last = np.append(run.values[_BLOCK - 1 :: _BLOCK], run.values[-1:])[: len(self._first)]

    def blocks(self, wanted: Int64s) -> Iterator[Run]:
        """The parts of the run that may hold one of the wanted values, which are sorted."""
        has_some = np.searchsorted(wanted, self._first, "left") < np.searchsorted(wanted, self._last, "right")
        for block in np.flatnonzero(has_some):
            start = int(block) * _BLOCK
            count = min(_BLOCK, self._length - start)
            yield Run(self._read(start, count), self._read(self._length + start, count))

    def _read(self, start: int, count: int) -> Int64s:
        self._file.seek(start * 8)
        return np.fromfile(self._file, np.int64, count)


class SortedRuns:
    """The values seen so far. A log-structured merge: a run is merged with the one before it while that is small."""

    def __init__(self, *, memory_bytes: int, folder: Path) -> None:
        self._memory_bytes, self._folder = memory_bytes, folder
        self._runs: list[Run] = []
        self._disk: list[DiskRun] = []
        self._greatest: int | None = None

    def ascends(self, values: Int64s) -> bool:
        """Whether the values grow from one to the next and begin above all added ones: then none of them is here."""
        if len(values) == 0:
            return True
        above = self._greatest is None or int(values[0]) > self._greatest
        return above and bool(np.all(values[1:] > values[:-1]))

    def add(self, values: Int64s, ordinals: Int64s) -> None:
        """Take sorted values, and an ordinal for each; always none, or always all."""
        if len(values) == 0:
            return
        last = int(values[-1])
        self._greatest = last if self._greatest is None else max(self._greatest, last)
        self._runs.append(Run(values, ordinals))
        while len(self._runs) > 1 and len(self._runs[-2].values) <= 2 * len(self._runs[-1].values):
            self._runs[-2:] = [_merge(self._runs[-2:])]
        # Merging needs as much again for a moment.
        if sum(run.size for run in self._runs) > self._memory_bytes // 2:
            self._disk.append(DiskRun(_merge(self._runs), self._folder))
            self._runs.clear()

    def find(self, wanted: Int64s) -> tuple[Int64s, Int64s]:
        """Where the wanted values (sorted) are found: their positions in `wanted`, and the ordinals they came with.

        A position comes once for every ordinal.
        """
        found = [_find_in(run, wanted) for run in self._parts(wanted)]
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])

    def _parts(self, wanted: Int64s) -> Iterator[Run]:
        yield from self._runs
        for run in self._disk:
            yield from run.blocks(wanted)


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
    left = np.searchsorted(run.values, wanted, "left")
    count = np.searchsorted(run.values, wanted, "right") - left
    hits = np.flatnonzero(count)
    if len(hits) == 0 or len(run.ordinals) == 0:
        return hits, run.ordinals
    # One value may be there several times: two keys can share a hash.
    position = np.repeat(hits, count[hits])
    within = np.arange(len(position)) - np.repeat(np.cumsum(count[hits]) - count[hits], count[hits])
    return position, run.ordinals[np.repeat(left[hits], count[hits]) + within]
