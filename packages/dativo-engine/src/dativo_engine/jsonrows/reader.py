"""From JSON values to batches: pyarrow reads a whole run at once; what it can't read is read value by value."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import json

from dativo_engine.interfaces import Batch, Malformed, Position
from dativo_engine.jsonrows import types
from dativo_engine.jsonrows.values import Elements, Lines, Record, text_of
from dativo_engine.utf8 import is_utf8

if TYPE_CHECKING:
    from dativo_config.models.contract import SchemaObject

# A run that pyarrow can't read is halved until it can, down to this many values.
SMALLEST_RUN = 128
RAW_CHARACTERS = 64 * 1024
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class JsonReader:
    """One file's, or one endpoint's, values on their way to batches. `records` counts those seen so far."""

    file: str
    stream: str
    schema: SchemaObject | None
    records: int = 0
    _reading: pa.Schema = field(init=False)
    _bulk: bool = field(init=False)
    _rewrites: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._reading = types.reading_schema(self.schema)
        self._bulk = types.bulk_readable(self.schema)

    def batches(self, runs: Iterable[Lines | Elements]) -> Generator[Batch, None, None]:
        """The records in order."""
        for run in runs:
            table = self._read(run) if run.is_json else None
            # More rows than lines: two values on one line, which only reading line by line tells.
            if table is not None and table.num_rows == _expected(run, table.num_rows):
                yield self._batch(table)
            else:
                yield from self._in_parts(run.records())

    def _in_parts(self, records: Sequence[Record]) -> Iterator[Batch]:
        """Halve a run that can't be read in bulk, so that one bad value slows down few others."""
        if len(records) <= SMALLEST_RUN or not self._bulk:
            if records:
                yield self._one_by_one(records)
            return
        middle = len(records) // 2
        for part in (records[:middle], records[middle:]):
            sound = all(record.is_json for record in part)
            table = self._read(Elements([msgspec.Raw(record.text) for record in part])) if sound else None
            if table is not None and table.num_rows == len(part):
                yield self._batch(table)
            else:
                yield from self._in_parts(part)

    def _read(self, run: Lines | Elements) -> pa.RecordBatch | None:
        """All values as one table; None: some of them do not fit."""
        text = run.text
        if not self._bulk or not is_utf8(text):
            return None
        records = None if self._rewrites else self._parse(text)
        if records is None and self.schema is not None:
            records = self._read_rewritten(run)
        return None if records is None else types.with_times(records, self.schema)

    def _read_rewritten(self, run: Lines | Elements) -> pa.RecordBatch | None:
        """The same where text columns hold other values, or fields that the contract lacks are of mixed types.

        Such data come again, so the next run is rewritten at once.
        """
        try:
            objects = run.objects()
        except msgspec.MsgspecError:
            return None
        rewritten = types.rewrite(objects, self._reading)
        records = self._parse(rewritten.text)
        self._rewrites = records is not None and rewritten.was_needed
        if records is None:
            return None
        missing = [name for name in rewritten.unknown if name not in records.schema.names]
        columns = [*records.columns, *(pa.nulls(records.num_rows, types.TEXT) for _ in missing)]
        return pa.RecordBatch.from_arrays(columns, [*records.schema.names, *missing])

    def _parse(self, text: bytes) -> pa.RecordBatch | None:
        try:
            table = json.read_json(
                pa.py_buffer(text),
                read_options=json.ReadOptions(use_threads=False, block_size=len(text) + 1),
                parse_options=json.ParseOptions(explicit_schema=self._reading, newlines_in_values=True),
            )
            # Lists of nothing but nulls come with fewer values than they say (pyarrow 26).
            table.validate()
        # A message of pyarrow's may hold bytes that are no text, and then fails itself.
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
            return None
        columns = [column.combine_chunks() for column in table.columns]
        return pa.RecordBatch.from_arrays(columns, schema=table.schema) if columns else None

    def _one_by_one(self, records: Sequence[Record]) -> Batch:
        """Each value's fields as text: the enforcer finds what does not fit, and numbers lose no digit."""
        rows: list[dict[str, str | None]] = []
        numbers: list[int] = []
        malformed: list[Malformed] = []
        for number, record in enumerate(records, start=self.records + 1):
            try:
                rows.append(_fields(record))
                numbers.append(number)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
                raw = record.text.decode("utf-8", "backslashreplace")[:RAW_CHARACTERS]
                malformed.append(Malformed(self.file, record.line, number, raw, f"not a JSON object: {reason}"))
        names = dict.fromkeys(self._reading.names) | {name: None for row in rows for name in row}
        columns = [pa.array([row.get(name) for row in rows], types.TEXT) for name in names]
        first = self.records + 1
        self.records += len(records)
        position = Position(self.file, first, pa.array(np.array(numbers, np.int64)) if malformed else None)
        return Batch(
            self.stream, pa.RecordBatch.from_arrays(columns, list(names)), position, malformed=tuple(malformed)
        )

    def _batch(self, records: pa.RecordBatch) -> Batch:
        first = self.records + 1
        self.records += records.num_rows
        return Batch(self.stream, records, Position(self.file, first))


def infer_schema(runs: Iterator[Lines | Elements]) -> pa.Schema:
    """Types as the first values suggest them: for a proposal, never for reading."""
    run = next(runs, None)
    if run is None:
        return pa.schema([])
    text = run.text
    if run.is_json:
        with suppress(pa.ArrowInvalid, UnicodeDecodeError):
            return json.read_json(
                pa.py_buffer(text),
                json.ReadOptions(block_size=len(text) + 1),
                json.ParseOptions(newlines_in_values=True),
            ).schema
    rows = next(JsonReader("", "", None).batches(iter([run])), None)
    return pa.schema([]) if rows is None else rows.records.schema


def _expected(run: Lines | Elements, rows: int) -> int:
    """How many values a run has; blank lines are only looked for where the line count does not fit."""
    if isinstance(run, Elements):
        return len(run.elements)
    lines = run.text.count(b"\n") + (not run.text.endswith(b"\n"))
    return rows if lines == rows else len(run.records())


def _fields(record: Record) -> dict[str, str | None]:
    return {name: text_of(value) for name, value in _OBJECT.decode(record.text).items()}
