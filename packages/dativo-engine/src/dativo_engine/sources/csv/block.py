"""One block of records, parsed by pyarrow: exact about where its last record ends, and about which rows are none.

A block is cut at a line break, which may lie inside quotes. So a line of our own is put behind it, with one cell too
many: pyarrow hands it back as an invalid row if the cut was between two records. If it is not handed back, the block
ends inside a quoted cell; a second try closes the quote first, and then the invalid row that is handed back begins
with the record that was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_engine.sources.csv.spec import CsvOptions
    from dativo_engine.sources.csv.types import Column
    from dativo_engine.sources.files.window import Window

    Collect: TypeAlias = Callable[[csv.InvalidRow], str]

_END = "\x1edativo-end\x1e"
_FAILED_COLUMN = re.compile(r"In CSV column #(\d+):")


@dataclass(frozen=True, slots=True)
class NoRow:
    """A record that has too few or too many cells. `number` counts the block's records from 1."""

    number: int
    cells: int
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """What a block holds.

    Attributes:
        table: the rows, in file order.
        no_rows: the records that are none.
        cut: bytes at the block's end that belong to a record which goes on behind it.
        numbers: the record number of every row, counted from 1 in the block.
    """

    table: pa.Table
    no_rows: Sequence[NoRow]
    cut: int
    numbers: npt.NDArray[np.int64]

    @property
    def records(self) -> int:
        """How many records it holds, rows or not."""
        return self.table.num_rows + len(self.no_rows)


class BlockParser:
    """Parses the blocks of one file. Columns whose cells don't convert are read as text, those columns only."""

    def __init__(self, columns: Sequence[Column], options: CsvOptions, *, file: str) -> None:
        self._columns = columns
        self._options = options
        self._file = file
        self._line = options.delimiter * len(columns) + _END
        self._closing = f"{options.quote or ''}{self._line}"

    def parse(self, window: Window, end: int) -> Block:
        """Parse the first `end` bytes.

        Raises:
            FatalError: the options don't fit the file at all.
        """
        for line in (self._line, self._closing):
            break_, added = self._break(window, end), line.encode()
            with window.extended(end, break_ + added + b"\n") as text:
                table, no_rows = self._read(text)
            if not no_rows or not no_rows[-1].text.endswith(line):
                continue
            cut = len(no_rows.pop().text.encode()) - len(added)
            # A line break that the file does not have is none of the record's bytes.
            cut -= len(break_) if cut else 0
            return self._filled(window, end - cut, Block(table, no_rows, cut, _numbers(table, no_rows)))
        message = f"{self._file}: can't be read as CSV with these options; check delimiter, quote and escape"
        raise FatalError(message)

    def infer(self, window: Window, end: int, names: Sequence[str]) -> pa.Schema:
        """The types that pyarrow finds in the first `end` bytes, under the columns' names."""
        options = self._convert_options()
        options.column_types = {}
        table = self._read_with(window.view(0, end), options, lambda _row: "skip")
        return pa.schema([pa.field(name, field.type) for name, field in zip(names, table.schema, strict=True)])

    def _filled(self, window: Window, end: int, block: Block) -> Block:
        """With `ragged: fill`, short records are read again behind all others, complete, and put in their places."""
        short = [row for row in block.no_rows if row.cells < len(self._columns)]
        if self._options.ragged != "fill" or not short:
            return block
        missing = (row.text + self._options.delimiter * (len(self._columns) - row.cells) for row in short)
        lines = self._break(window, end) + "".join(f"{line}\n" for line in missing).encode()
        with window.extended(end, lines) as text:
            table, _ = self._read(text)
        long = [row for row in block.no_rows if row.cells > len(self._columns)]
        numbers = np.concatenate([_numbers(block.table, block.no_rows), [row.number for row in short]])
        table = table.take(pa.array(np.argsort(numbers, kind="stable")))
        return Block(table, long, block.cut, _numbers(table, long))

    def _break(self, window: Window, end: int) -> bytes:
        return b"" if end == 0 or window.view(end - 1, end).tobytes() in {b"\n", b"\r"} else b"\n"

    def _read(self, text: memoryview) -> tuple[pa.Table, list[NoRow]]:
        no_rows: list[NoRow] = []

        def collect(row: csv.InvalidRow) -> str:
            no_rows.append(NoRow(row.number, row.actual_columns, row.text))
            return "skip"

        while True:
            no_rows.clear()
            try:
                table = self._read_with(text, self._convert_options(), collect)
            except pa.ArrowInvalid as error:
                failed = _FAILED_COLUMN.search(str(error))
                if failed is None or not self._columns[int(failed[1])].doubt():
                    message = f"{self._file}: can't be read as CSV: {error}"
                    raise FatalError(message) from error
                continue
            infinite = [column for column, cells in zip(self._columns, table.columns, strict=True) if _overflows(cells)]
            if not infinite:
                return table, no_rows
            for column in infinite:
                column.doubt()

    def _read_with(self, text: memoryview, convert: csv.ConvertOptions, collect: Collect) -> pa.Table:
        names = [str(number) for number in range(len(self._columns))]
        return csv.read_csv(
            pa.py_buffer(text),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names),
            parse_options=csv.ParseOptions(
                delimiter=self._options.delimiter,
                quote_char=self._options.quote or False,
                escape_char=self._options.escape or False,
                newlines_in_values=True,
                invalid_row_handler=collect,
            ),
            convert_options=convert,
        )

    def _convert_options(self) -> csv.ConvertOptions:
        return csv.ConvertOptions(
            check_utf8=False,
            column_types={str(i): column.type for i, column in enumerate(self._columns)},
            null_values=self._options.null_values,
            true_values=self._options.true_values,
            false_values=self._options.false_values,
            decimal_point=self._options.decimal_point,
            strings_can_be_null=True,
            quoted_strings_can_be_null=self._options.quoted_nulls,
        )


def _numbers(table: pa.Table, no_rows: Sequence[NoRow]) -> npt.NDArray[np.int64]:
    """The record number of every row: all up to the last, but for those of records that are no rows."""
    every = np.arange(1, table.num_rows + len(no_rows) + 1)
    return np.delete(every, [row.number - 1 for row in no_rows]) if no_rows else every


def _overflows(cells: pa.ChunkedArray) -> bool:
    """Whether a number is too large for its type: pyarrow's reader makes it infinite, the enforcer rejects it."""
    return pa.types.is_floating(cells.type) and pc.any(pc.is_inf(cells)).as_py() is True
