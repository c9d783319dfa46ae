"""From one file's bytes to batches: read a block of lines, parse it, hand on its rows and what is no row."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.interfaces import Batch, Cursor, Malformed, Position
from dativo_engine.sources.csv import types
from dativo_engine.sources.csv.block import Block, BlockParser
from dativo_engine.sources.csv.encoding import MARK, Transcoded, mark_bad_bytes
from dativo_engine.sources.csv.header import read_names
from dativo_engine.sources.files.window import Window
from dativo_engine.utf8 import is_utf8

if TYPE_CHECKING:
    from dativo_config.models.contract import SchemaObject

    from dativo_engine.sources.csv.spec import CsvOptions
    from dativo_engine.sources.files.opened import Opened

BLOCK_BYTES = 8 * 1024 * 1024
SAMPLE_BYTES = 1024 * 1024
UTF8 = ("utf-8", "utf-8-sig")
RAW_CHARACTERS = 64 * 1024


class CsvReader:
    """One file on its way to batches.

    Args:
        opened: the file, at its beginning.
        schema: what the contract says of the stream; None: every column is text.
        block_bytes: how much is parsed at once.
        record_bytes: how large one record may be.
        resume: the cursor of the batch after which to go on; None: from the beginning.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        stream: str,
        options: CsvOptions,
        schema: SchemaObject | None,
        block_bytes: int = BLOCK_BYTES,
        record_bytes: int = 4 * BLOCK_BYTES,
        resume: Cursor | None = None,
    ) -> None:
        self._opened = opened
        self._stream = stream
        self._options = options
        self._window = open_window(opened, options, size=block_bytes, limit=record_bytes)
        self._names = read_names(self._window, options, schema, file=opened.file.name)
        self._columns = types.columns(self._names, schema, options)
        self._parser = BlockParser(self._columns, options, file=opened.file.name)
        self._quotes_hold_lines = False
        # Another encoding is marked as it is read; UTF-8 is looked through block by block.
        self._has_marks = options.encoding not in UTF8
        self._records = 0
        self._told_bytes = 0
        if resume is not None:
            self._go_on(resume)

    def batches(self) -> Generator[Batch, None, None]:
        """The file's records in order, one batch per block.

        Raises:
            FatalError: the options don't fit the file at all.
        """
        window = self._window
        while self._names and window.fill():
            end = self._in_utf8(self._block_end())
            block = self._parser.parse(window, end) if end else None
            if block is not None and block.cut < end:
                self._quotes_hold_lines = self._quotes_hold_lines or block.cut > 0
                batch = self._batch(block, end - block.cut)
                window.consume(end - block.cut)
                if block.records:
                    yield replace(batch, cursor=self._cursor())
            elif window.ended or not window.grow():
                yield self._unclosed()

    def _cursor(self) -> Cursor | None:
        """Where the next batch begins: a place in the file, where text and file are the same bytes."""
        if self._has_marks or not self._opened.is_plain:
            return None
        return Cursor({"offset": self._window.offset, "line": self._window.line, "records": self._records})

    def _go_on(self, resume: Cursor) -> None:
        offset, line, records = (cast("int", resume.value[name]) for name in ("offset", "line", "records"))
        self._opened.start_at(offset)
        self._window.start_over(offset=offset, line=line)
        self._records, self._told_bytes = records, offset

    def _block_end(self) -> int:
        """Once a cell with a line break was seen, counting quotes saves parsing most blocks twice."""
        quote = self._options.quote
        if self._quotes_hold_lines and quote is not None:
            return self._window.balanced_line_end(ord(quote)) or self._window.last_line_end()
        return self._window.last_line_end()

    def _in_utf8(self, end: int) -> int:
        """Mark what is no text in the block to come; answers where it then ends."""
        text = self._window.view(0, end)
        if is_utf8(text):
            return end
        self._has_marks = True
        return self._window.replace(end, mark_bad_bytes(text))

    def _batch(self, block: Block, used: int) -> Batch:
        columns = [self._cells(column, cells) for column, cells in zip(self._columns, block.table.columns, strict=True)]
        records = pa.RecordBatch.from_arrays(columns, names=self._names)
        malformed = self._no_rows(block, used)
        numbers = block.numbers
        if self._has_marks:
            records, numbers, undecoded = self._without_marks(records, numbers)
            malformed += undecoded
        first = self._records + 1
        self._records += block.records
        rows = pa.array(numbers + (first - 1)) if malformed else None
        return Batch(
            self._stream,
            records,
            Position(self._opened.file.name, first, rows),
            malformed=tuple(malformed),
            bytes_read=self._new_bytes(),
        )

    def _cells(self, column: types.Column, cells: pa.ChunkedArray) -> pa.Array:
        # Combining copies, even what is one chunk; a block is one but for its short records.
        values = cells.chunk(0) if cells.num_chunks == 1 else cells.combine_chunks()
        if column.is_doubted:
            values = types.tidy(values, column, self._options)
            column.reconsider(values)
        elif self._options.trim and column.type is types.TEXT:
            values = types.trim(values, self._options)
        return values

    def _no_rows(self, block: Block, used: int) -> list[Malformed]:
        """Records with too few or too many cells. Their lines are found by their text, in order."""
        if not block.no_rows:
            return []
        found: list[Malformed] = []
        expected, at, behind, line = len(self._names), 0, 0, self._window.line
        text = self._window.view(0, used).tobytes()
        break_ = b"\n" if b"\n" in text else b"\r"
        for row in block.no_rows:
            raw, reason = row.text.encode(), f"{row.cells} cells, expected {expected}"
            start = _find_lines(text, raw, behind)
            line += text.count(break_, at, start)
            at, behind = start, start + len(raw)
            found.append(self._reject(row.text, reason, line=line, record=row.number))
        return found

    def _without_marks(
        self, records: pa.RecordBatch, numbers: npt.NDArray[np.int64]
    ) -> tuple[pa.RecordBatch, npt.NDArray[np.int64], list[Malformed]]:
        """Take out the rows with bytes that are no text in the file's encoding."""
        marked = np.zeros(records.num_rows, np.bool_)
        for cells in records.columns:
            if pa.types.is_string(cells.type):
                marked |= pc.fill_null(pc.match_substring(cells, MARK), fill_value=False).to_numpy(zero_copy_only=False)
        if not marked.any():
            return records, numbers, []
        reason = f"bytes that are not {self._options.encoding}; is source.options.encoding right?"
        found = [
            self._reject(_as_line(row, self._options), reason, line=0, record=int(number))
            for number, row in zip(numbers[marked], records.filter(pa.array(marked)).to_pylist(), strict=True)
        ]
        return records.filter(pa.array(~marked)), numbers[~marked], found

    def _unclosed(self) -> Batch:
        """Give up the one line that no record can be made of, and go on behind it."""
        window = self._window
        end = window.line_end()
        raw = window.view(0, end).tobytes().decode("utf-8", "replace").rstrip("\r\n")
        reason = "a quote is not closed, or the record is larger than memory allows"
        malformed = self._reject(raw, reason, line=window.line, record=1)
        window.consume(end)
        self._records += 1
        nothing = pa.RecordBatch.from_pylist([], pa.schema([(name, types.TEXT) for name in self._names]))
        position = Position(self._opened.file.name, self._records)
        return Batch(self._stream, nothing, position, malformed=(malformed,), bytes_read=self._new_bytes())

    def _reject(self, raw: str, reason: str, *, line: int, record: int) -> Malformed:
        shown = raw.replace(MARK, "")[:RAW_CHARACTERS]
        return Malformed(self._opened.file.name, line, self._records + record, shown, reason)

    def _new_bytes(self) -> int:
        told, self._told_bytes = self._told_bytes, self._opened.consumed
        return self._told_bytes - told


def open_window(opened: Opened, options: CsvOptions, *, size: int, limit: int) -> Window:
    """A window over the file's text in UTF-8."""
    if options.encoding in UTF8:
        return Window(opened, size=size, limit=limit)
    return Window(Transcoded(opened, options.encoding, read_bytes=size // 4), size=size, limit=limit)


def infer_schema(opened: Opened, options: CsvOptions) -> pa.Schema:
    """Column types as the beginning of a file suggests them: for a proposal, never for reading."""
    window = open_window(opened, options, size=SAMPLE_BYTES, limit=SAMPLE_BYTES)
    names = read_names(window, options, None, file=opened.file.name)
    parser = BlockParser(types.columns(names, None, options), options, file=opened.file.name)
    window.fill()
    return parser.infer(window, window.last_line_end(), names) if names else pa.schema([])


def _find_lines(text: bytes, raw: bytes, start: int) -> int:
    """Where a record that fills whole lines begins, looked for from `start` on."""
    at = text.find(raw, start)
    while at >= 0:
        before, after = text[at - 1 : at] if at else b"", text[at + len(raw) : at + len(raw) + 1]
        if before in {b"", b"\n", b"\r"} and after in {b"", b"\n", b"\r"}:
            return at
        at = text.find(raw, at + 1)
    return start


def _as_line(row: Mapping[str, object], options: CsvOptions) -> str:
    """A row's cells as a line again."""
    line = io.StringIO()
    csv.writer(line, delimiter=options.delimiter, lineterminator="").writerow(row.values())
    return line.getvalue()
