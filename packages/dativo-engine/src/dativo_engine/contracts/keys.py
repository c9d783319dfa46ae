"""Keys that must be unique within a run: exact, in read order, whatever the number of rows.

A single column of integers, dates or times is its own 64-bit value; any other key is represented by a 64-bit hash.
The values seen so far lie in sorted runs (`runs.py`). Where a value comes again, the keys themselves are compared, so
two keys with one hash are still two keys: hashed keys are kept in a file for that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.runs import Int64s, SortedRuns, ascends
from dativo_engine.contracts.spill import SpillFile

if TYPE_CHECKING:
    import duckdb

Key: TypeAlias = tuple[object, ...]
REPEATED = "a key that no earlier row has"
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """What must not come twice.

    Attributes:
        rule: the rule's name in messages and reports.
        columns: table columns; a row with a null in one of them has no key and repeats none.
        rejects: whether a repeated row is rejected, or only counted.
    """

    rule: str
    columns: tuple[str, ...]
    rejects: bool = True


@dataclass(frozen=True, slots=True)
class BatchKeys:
    """The keys of one batch.

    Attributes:
        rows: the batch's rows that have a key, ascending.
        columns: the key's columns at these rows.
        values: a 64-bit value for each.
        order: sorts the values, equal ones by row; None: they ascend as they are.
        exact: equal values mean equal keys.
    """

    rows: Int64s
    columns: tuple[pa.Array, ...]
    values: Int64s
    order: Int64s | None
    exact: bool

    def keys_at(self, positions: Int64s) -> list[Key]:
        """The keys themselves."""
        taken = [column.take(pa.array(positions)).to_pylist() for column in self.columns]
        return list(zip(*taken, strict=True))


@dataclass(slots=True)
class Suspects:
    """Rows of a batch whose 64-bit value came before: their keys decide.

    Attributes:
        keys: batch row -> its key.
        seen: the keys already added that share a value with one of these.
    """

    keys: dict[int, Key] = field(default_factory=dict[int, Key])
    seen: set[Key] = field(default_factory=set[Key])


class KeyIndex:
    """Every key that one rule has let pass so far."""

    def __init__(self, key: UniqueKey, *, memory_bytes: int, folder: Path) -> None:
        self.key = key
        self._runs = SortedRuns(memory_bytes=memory_bytes, folder=folder)
        self._log = KeyLog(folder)

    def read(self, columns: Sequence[pa.Array], rows: Int64s | None) -> BatchKeys:
        """The keys of a batch at some of its rows (None: all)."""
        comparable = [_comparable(column) for column in columns]
        if any(column.null_count for column in comparable):
            keyed = np.logical_and.reduce([column.is_valid().to_numpy(zero_copy_only=False) for column in comparable])
            rows = np.flatnonzero(keyed) if rows is None else rows[keyed[rows]]
        if rows is None:
            rows = np.arange(len(comparable[0]))
        else:
            comparable = [column.take(pa.array(rows)) for column in comparable]
        exact = len(comparable) == 1 and pa.types.is_int64(comparable[0].type)
        values = comparable[0].to_numpy(zero_copy_only=False) if exact else self._hash(comparable)
        order = None if ascends(values) else np.argsort(values, kind="stable")
        return BatchKeys(rows, tuple(comparable), values, order, exact)

    def suspects(self, keys: BatchKeys) -> Suspects:
        """The rows that may repeat a key of this batch or of an earlier one; none, most of the time."""
        values = keys.values if keys.order is None else keys.values[keys.order]
        repeats = np.flatnonzero(values[1:] == values[:-1]) if keys.order is not None else _NONE
        found, ordinals = self._runs.find(values)
        if len(repeats) == 0 and len(found) == 0:
            return Suspects()
        positions = np.unique(np.concatenate([repeats, repeats + 1, found]))
        positions = positions if keys.order is None else keys.order[positions]
        seen = {(value,) for value in values[found].tolist()} if keys.exact else set(self._log.fetch(ordinals))
        return Suspects(dict(zip(keys.rows[positions].tolist(), keys.keys_at(positions), strict=True)), seen)

    def add(self, keys: BatchKeys, dropped: Int64s) -> None:
        """Remember the batch's keys, but for those of the rows that did not pass."""
        order = np.arange(len(keys.values)) if keys.order is None else keys.order
        kept = ~np.isin(keys.rows, dropped) if len(dropped) else None
        order = order if kept is None else order[kept[order]]
        ordinals = _NONE
        if not keys.exact:
            columns = keys.columns if kept is None else [column.filter(pa.array(kept)) for column in keys.columns]
            places = np.cumsum(kept) - 1 if kept is not None else np.arange(len(keys.values))
            ordinals = self._log.append(columns) + places[order]
        ascending = keys.order is None and kept is None
        self._runs.add(keys.values if ascending else keys.values[order], ordinals)

    def _hash(self, columns: Sequence[pa.Array]) -> Int64s:
        names = [f"k{number}" for number in range(len(columns))]
        with _hasher().cursor() as connection:
            connection.register("keys", pa.table(list(columns), names=names))
            found = connection.execute(f"SELECT hash({', '.join(names)}) AS hash FROM keys").fetchnumpy()
        return found["hash"].view(np.int64)


@functools.cache
def _hasher() -> duckdb.DuckDBPyConnection:
    """The process's DuckDB for hashing: only contracts with text or composite keys pay for it."""
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1})


class KeyLog:
    """Keys in the order they were added, in a file; a key's ordinal is its place in that order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: SpillFile | None = None
        self._schema: pa.Schema | None = None
        self._first: list[int] = []
        self._places: list[tuple[int, int]] = []
        self._length = 0

    def append(self, columns: Sequence[pa.Array]) -> int:
        """Keep the keys; answers the first one's ordinal."""
        batch = pa.RecordBatch.from_arrays(list(columns), names=[str(number) for number in range(len(columns))])
        self._schema = batch.schema
        self._file = self._file or SpillFile(self._folder)
        self._places.append(self._file.append(batch.serialize()))
        first, self._length = self._length, self._length + batch.num_rows
        self._first.append(first)
        return first

    def fetch(self, ordinals: Int64s) -> Iterator[Key]:
        """The keys with these ordinals, in any order."""
        ordinals = np.unique(ordinals)
        parts = np.searchsorted(self._first, ordinals, "right") - 1
        for part in np.unique(parts).tolist():
            rows = pa.array(ordinals[parts == part] - self._first[part])
            yield from zip(*(column.take(rows).to_pylist() for column in self._part(part).columns), strict=True)

    def _part(self, part: int) -> pa.RecordBatch:
        data = self._file.read(*self._places[part]) if self._file is not None else b""
        return pa.ipc.read_record_batch(pa.py_buffer(data), self._schema)


class UniqueKeys:
    """All keys of a contract, judged together: a row that repeats one key does not occupy the others."""

    def __init__(self, keys: Sequence[UniqueKey], *, memory_bytes: int, folder: Path) -> None:
        share = memory_bytes // max(len(keys), 1)
        self._indexes = [KeyIndex(key, memory_bytes=share, folder=folder) for key in keys]

    def repeats(self, columns: Mapping[str, pa.Array], rows: Int64s | None) -> list[tuple[UniqueKey, Int64s]]:
        """The rows that repeat a key of an earlier row, for each key; `rows` are the candidates (None: all).

        Rows that are not rejected are remembered.
        """
        rejecting = [index for index in self._indexes if index.key.rejects]
        counting = [index for index in self._indexes if not index.key.rejects]
        repeats = _judge(rejecting, columns, rows) if rejecting else []
        dropped = np.unique(np.concatenate([found for _, found in repeats])) if repeats else _NONE
        if counting and len(dropped):
            everything = np.arange(len(next(iter(columns.values())))) if rows is None else rows
            rows = np.setdiff1d(everything, dropped, assume_unique=True)
        for index in counting:
            repeats += _judge([index], columns, rows)
        return repeats

    def remember(self, columns: Mapping[str, pa.Array]) -> None:
        """Rows that have passed before: no later row may have their keys."""
        for index in self._indexes:
            index.add(index.read([columns[name] for name in index.key.columns], None), _NONE)


def _judge(
    indexes: Sequence[KeyIndex], columns: Mapping[str, pa.Array], rows: Int64s | None
) -> list[tuple[UniqueKey, Int64s]]:
    """Go through the suspect rows in read order; the rest is vectorised."""
    read = [index.read([columns[name] for name in index.key.columns], rows) for index in indexes]
    suspects = [index.suspects(keys) for index, keys in zip(indexes, read, strict=True)]
    repeats: list[list[int]] = [[] for _ in indexes]
    for row in sorted(set[int]().union(*(suspect.keys for suspect in suspects))):
        held = [(number, suspect.keys[row]) for number, suspect in enumerate(suspects) if row in suspect.keys]
        repeated = [number for number, key in held if key in suspects[number].seen]
        for number in repeated:
            repeats[number].append(row)
        if not repeated:
            for number, key in held:
                suspects[number].seen.add(key)
    dropped = np.array(sorted(set[int]().union(*repeats)), np.int64)
    for index, keys in zip(indexes, read, strict=True):
        index.add(keys, dropped)
    found = zip(indexes, repeats, strict=True)
    return [(index.key, np.array(positions, np.int64)) for index, positions in found if positions]


def _comparable(column: pa.Array) -> pa.Array:
    """The column with one representation for each value: numbers of 64 bits where they suffice.

    Equal doubles get equal bits: 0.0 and -0.0 are one value, so are all NaN.
    """
    kinds = pa.types
    if kinds.is_timestamp(column.type) or kinds.is_time64(column.type):
        return column.view(pa.int64())
    if kinds.is_date32(column.type):
        return column.view(pa.int32()).cast(pa.int64())
    if kinds.is_integer(column.type) or kinds.is_boolean(column.type):
        return column.cast(pa.int64())
    if kinds.is_floating(column.type):
        doubles = pc.add(column.cast(pa.float64()), 0.0)
        return pc.if_else(pc.is_nan(doubles), float("nan"), doubles).view(pa.int64())
    return column
