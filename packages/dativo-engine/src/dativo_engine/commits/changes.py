"""A run's changes in merge mode: which one counts for each key, and which stored rows they meet.

The changes lie in Parquet files in read order, as the writer staged them: the table's columns, and `OP_COLUMN` where
the source reports deletes. Keys are matched in DuckDB, which knows every type and composite keys, and goes to disk
beyond its memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dativo_engine.catalogs.locations import local_path
from dativo_engine.commits.changerows import ROW_BITS, ChangeRows, read_batches
from dativo_engine.commits.positions import Places, RowBits, met_by
from dativo_engine.contracts.duck import SIDES_AS_WRITTEN, open_duckdb, quoted
from dativo_engine.interfaces import StagedFile

OP_COLUMN = "_dativo_op"
UPSERT, DELETE = 0, 1
BATCH_ROWS = 128 * 1024
# Of whole numbers: up to 8 MiB of them, twice that while they are sorted.
FEW_KEYS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MergeRule:
    """How rows of one key give way to each other.

    Attributes:
        keys: the primary key's columns.
        cursor: the column whose greater value wins, the stored row included; empty: the run wins.
        deletes: what a reported delete does to the stored row.
        soft_column: where `deletes` is soft: the boolean or timestamp column that marks a row as deleted.
    """

    keys: tuple[str, ...]
    cursor: str = ""
    deletes: Literal["hard", "soft", "ignore"] = "hard"
    soft_column: str = ""

    @property
    def columns(self) -> list[str]:
        """The columns that decide: the keys and the cursor."""
        return [*self.keys, self.cursor] if self.cursor and self.cursor not in self.keys else [*self.keys]


@dataclass(frozen=True, slots=True)
class Matches:
    """Rows of one data file that the change of their key takes the place of, by ascending position in the file."""

    positions: Places
    places: Places
    deletes: npt.NDArray[np.bool_]

    def within(self, start: int, rows: int) -> Matches:
        """Those of `rows` rows from position `start` on, their positions counted from there."""
        part = slice(*np.searchsorted(self.positions, (start, start + rows)))
        return Matches(self.positions[part] - start, self.places[part], self.deletes[part])


class ChangeSet:
    """The changes of one run to one table. Close it: it holds DuckDB's memory and files in `spill_folder`."""

    def __init__(
        self,
        files: Sequence[StagedFile],
        rule: MergeRule,
        *,
        columns: Sequence[str],
        spill_folder: Path,
        memory_bytes: int,
        threads: int = 2,
    ) -> None:
        self._rule = rule
        self._columns = list(columns)
        self._files = list(files)
        with ExitStack() as opening:
            database = open_duckdb(
                memory_bytes=memory_bytes // 2,
                spill_folder=spill_folder,
                threads=threads,
                disabled_optimizers=SIDES_AS_WRITTEN,
            )
            self._db = opening.enter_context(database)
            self._load_keys()
            self._collapse()
            self._winners = self._query("SELECT count(*) AS rows FROM winner")["rows"][0].as_py()
            self._rows = ChangeRows(
                [path_of(file) for file in files], columns, folder=spill_folder, memory_bytes=memory_bytes // 4
            )
            self._ascending = self._ascending_keys()
            self.begin()
            self._held = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def begin(self) -> None:
        """Forget what was settled: the merge starts over, on a newer state of the table."""
        self._db.execute("CREATE OR REPLACE TABLE settled (place BIGINT)")
        self._updated = [RowBits(file.rows) for file in self._files]

    def within(self, bounds: Sequence[tuple[object, object]]) -> list[int]:
        """Which of these [low, high] ranges of the first key column hold a changed key; indexes, ascending."""
        key = self._rule.keys[0]
        key_type = self._first_key_type()
        lows, highs = zip(*bounds, strict=True) if bounds else ((), ())
        ranges = pa.table(
            {
                "number": pa.array(range(len(bounds)), pa.int64()),
                "low": pa.array(lows, key_type),
                "high": pa.array(highs, key_type),
            }
        )
        found = self._query(
            f"SELECT number FROM ranges ASOF JOIN (SELECT DISTINCT {quoted(key)} AS key FROM winner) ON low <= key "
            "WHERE key <= high ORDER BY number",
            ranges=ranges,
        )
        return found["number"].to_pylist()

    def has_nan_key(self) -> bool:
        """Whether a change's first key column, of floating numbers, is NaN."""
        key = quoted(self._rule.keys[0])
        return self._query(f"SELECT count(*) AS rows FROM winner WHERE isnan({key})")["rows"][0].as_py() > 0

    def match(self, stored: pa.RecordBatchReader, *, rows: int) -> Matches:
        """Meet the rows of one data file, so many: `stored` has the key columns, the cursor, and `position`.

        A change that is older than the stored row of its key is settled here: it never lands.
        """
        if self._ascending is not None:
            stored = pa.RecordBatchReader.from_batches(stored.schema, met_by(self._ascending, stored))
        same_key = " AND ".join(f"stored.{quoted(key)} = winner.{quoted(key)}" for key in self._rule.keys)
        stored_cursor = f"stored.{quoted(self._rule.cursor)}" if self._rule.cursor else "NULL::BIGINT"
        # DuckDB does not know how large `stored` is, and would keep the wrong side in memory: it keeps the second.
        sides = "stored JOIN winner" if self._winners <= rows else "winner JOIN stored"
        found = self._query(
            f'SELECT position, place, op = {DELETE} AS deletes, coalesce({stored_cursor} > "cursor", false) AS newer '
            f"FROM {sides} ON {same_key}",
            stored=stored,
        )
        positions, places = found["position"].to_numpy(), found["place"].to_numpy()
        # Sorted here: DuckDB's memory is the join's.
        order = np.argsort(positions, kind="stable")
        newer = found["newer"].to_numpy()[order]
        self.settle(places[order[newer]])
        order = order[~newer]
        return Matches(positions[order], places[order], found["deletes"].to_numpy()[order])

    def settle(self, places: Places) -> None:
        """These changes need not be added any more."""
        if len(places):
            self._query("INSERT INTO settled SELECT place FROM places", places=pa.table({"place": places}))

    def note_updates(self, places: Places) -> None:
        """These changes took the place of a row; where a key was stored twice, a change may be noted twice."""
        files = places >> ROW_BITS
        for number in np.unique(files).tolist():
            self._updated[number].add(places[files == number] - (number << ROW_BITS))

    def count_updates(self) -> int:
        """How many changes took the place of a row."""
        return sum(bits.count for bits in self._updated)

    def already_stored(self, stored: pa.RecordBatch, matches: Matches) -> npt.NDArray[np.bool_]:
        """Whether each matching row of `stored` equals its change in every column."""
        same = np.zeros(len(matches.positions), np.bool_)
        for here, changes, rows in self._rows.at(matches.places):
            left = np.arange(len(here))
            for name in self._columns:
                # Most rows that differ do so in one of the first columns: the others are then not looked at.
                if not len(left):
                    break
                found = stored.column(name).take(pa.array(matches.positions[here[left]]))
                left = left[self._equal(found, changes.column(name).take(pa.array(rows[left])))]
            same[here[left]] = True
        return same

    def _equal(self, one: pa.Array, other: pa.Array) -> npt.NDArray[np.bool_]:
        """Which values are equal; so are nulls, and so are NaNs."""
        if isinstance(one, pa.DictionaryArray):
            one = one.dictionary_decode()
        if pa.types.is_nested(one.type):
            # A cursor of its own: files are compared in several threads.
            with self._db.cursor() as db:
                db.register("one", pa.table({"value": one}))
                db.register("other", pa.table({"value": other}))
                sql = "SELECT a.value IS NOT DISTINCT FROM b.value AS same FROM one a POSITIONAL JOIN other b"
                return db.execute(sql).to_arrow_table()["same"].to_numpy()
        one, other = (array.storage if isinstance(array, pa.ExtensionArray) else array for array in (one, other))
        equal = pc.equal(one, other)
        if pa.types.is_floating(one.type):
            equal = pc.or_(equal, pc.and_(pc.is_nan(one), pc.is_nan(other)))
        return pc.if_else(pc.is_valid(equal), equal, pc.and_(pc.is_null(one), pc.is_null(other))).to_numpy(
            zero_copy_only=False
        )

    def unsettled(self) -> Iterator[tuple[StagedFile, Places]]:
        """Of each change file the rows that are still to be added: positions of upserts, ascending."""
        for number, file in enumerate(self._files):
            first = number << ROW_BITS
            rows = self._query(
                f"SELECT place - {first} AS row FROM winner ANTI JOIN settled USING (place) "
                f"WHERE op = {UPSERT} AND place >= {first} AND place < {first + (1 << ROW_BITS)} ORDER BY row"
            )["row"].to_numpy()
            if len(rows):
                yield file, rows

    def read(self, file: StagedFile, positions: Places) -> Iterator[pa.RecordBatch]:
        """These rows of a change file, as the table's columns."""
        start = 0
        for batch in read_batches(path_of(file), self._columns):
            low, high = np.searchsorted(positions, (start, start + batch.num_rows))
            if high > low:
                chosen = pa.array(positions[low:high] - start)
                yield batch.take(chosen) if high - low < batch.num_rows else batch
            start += batch.num_rows

    def _load_keys(self) -> None:
        """Table `change`: keys, cursor, op and place of every change."""
        cursor = f"{quoted(self._rule.cursor)}" if self._rule.cursor else "NULL::BIGINT"
        keys = ", ".join(quoted(key) for key in self._rule.keys)
        ignored = f"WHERE op <> {DELETE}" if self._rule.deletes == "ignore" else ""
        for number, file in enumerate(self._files):
            with self._db.cursor() as db:
                db.register("read", self._read_keys(path_of(file), number << ROW_BITS))
                into = "INSERT INTO change" if number else "CREATE TABLE change AS"
                db.execute(f'{into} SELECT {keys}, {cursor} AS "cursor", op, place FROM read {ignored}')

    def _read_keys(self, path: Path, place: int) -> pa.RecordBatchReader:
        file = pq.ParquetFile(path)
        columns = self._rule.columns
        has_op = OP_COLUMN in file.schema_arrow.names
        fields = [file.schema_arrow.field(name).remove_metadata() for name in columns]
        schema = pa.schema([*fields, pa.field("op", pa.int32()), pa.field("place", pa.int64())])

        def batches() -> Iterator[pa.RecordBatch]:
            first = place
            read = [*columns, OP_COLUMN] if has_op else columns
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=read):
                rows = batch.num_rows
                op = batch.column(OP_COLUMN) if has_op else pa.array(np.zeros(rows, np.int32))
                places = pa.array(np.arange(first, first + rows))
                keyed = [*(batch.column(name) for name in columns), op.fill_null(UPSERT), places]
                yield pa.RecordBatch.from_arrays(keyed, schema=schema)
                first += rows

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _collapse(self) -> None:
        """Table `winner`: of each key the change that counts."""
        keys = ", ".join(quoted(key) for key in self._rule.keys)
        counted = self._query(f"SELECT count(*) AS rows, count(DISTINCT ({keys})) AS keys FROM change")
        if counted["rows"][0] == counted["keys"][0]:
            self._db.execute("ALTER TABLE change RENAME TO winner")
            return
        # A change without a cursor can't be compared with one that has it: then read order alone decides.
        last = 'CASE WHEN count("cursor") = count(*) THEN arg_max(place, ("cursor", place)) ELSE max(place) END'
        self._db.execute(
            f"CREATE TABLE winner AS SELECT * FROM change WHERE place IN (SELECT {last} FROM change GROUP BY {keys})"
        )
        self._db.execute("DROP TABLE change")

    def _ascending_keys(self) -> npt.NDArray[np.int64] | None:
        """The keys that changed, where they are few and a whole number each."""
        key = quoted(self._rule.keys[0])
        if len(self._rule.keys) > 1 or not pa.types.is_integer(self._first_key_type()) or self._winners > FEW_KEYS:
            return None
        found = self._query(f"SELECT {key}::BIGINT AS key FROM winner WHERE {key} IS NOT NULL")
        return np.sort(found["key"].to_numpy())

    def _first_key_type(self) -> pa.DataType:
        key = quoted(self._rule.keys[0])
        return self._db.execute(f"SELECT {key} FROM winner LIMIT 0").to_arrow_table().schema.field(0).type

    def _query(self, sql: str, **tables: pa.Table | pa.RecordBatchReader) -> pa.Table:
        for name, table in tables.items():
            self._db.register(name, table)
        try:
            # Row by row as it is found: DuckDB would count a whole result as its own memory.
            return self._db.execute(sql).to_arrow_reader(BATCH_ROWS).read_all()
        finally:
            for name in tables:
                self._db.unregister(name)


def path_of(file: StagedFile) -> Path:
    """Where a change file lies: always on this machine."""
    return local_path(file.path)


def with_op(rows: pa.RecordBatch, op: pa.Int8Array | None) -> pa.RecordBatch:
    """Rows with what is to be done with them, as change files hold them."""
    ops = pa.array(np.zeros(rows.num_rows, np.int32)) if op is None else op.cast(pa.int32())
    return rows.append_column(OP_COLUMN, ops)
