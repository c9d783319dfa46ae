"""The beginning of a file: byte order mark, skipped lines, column names."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dativo_engine.errors import FatalError
from dativo_engine.sources.csv.encoding import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from dativo_config.models.contract import SchemaObject

    from dativo_engine.sources.csv.spec import CsvOptions
    from dativo_engine.sources.files.window import Window


def read_names(window: Window, options: CsvOptions, schema: SchemaObject | None, *, file: str) -> list[str]:
    """The columns' names in file order; the window stands behind the header afterwards. Empty: an empty file.

    Without header, names and contract the columns are numbered.

    Raises:
        FatalError: a name stands twice in the header, and no names are given.
    """
    if window.fill() and window.view(0, 3).tobytes() == BYTE_ORDER_MARK:
        window.consume(3)
    for _ in range(options.skip_rows):
        window.fill()
        window.consume(window.line_end())
    first, end = _record(window, options) if window.fill() else ([], 0)
    if options.header:
        window.consume(end)
    if options.names is not None:
        return options.names
    if options.header:
        return _checked(first, file)
    return _checked([""] * len(first), file) if schema is None else [item.name for item in schema.properties]


def _record(window: Window, options: CsvOptions) -> tuple[list[str], int]:
    """The first record's cells, and where it ends."""
    used = 0

    def lines() -> Iterator[str]:
        nonlocal used
        while used < window.length:
            end = window.line_end(used)
            line = bytes(window.view(used, end)).decode("utf-8", "replace")
            used = end
            yield line.replace("\r\n", "\n").replace("\r", "\n")

    reader = csv.reader(
        lines(),
        delimiter=options.delimiter,
        quotechar=options.quote,
        quoting=csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
        escapechar=options.escape,
    )
    cells = next((record for record in reader if record), [])
    return [cell.strip() for cell in cells] if options.trim else cells, used


def _checked(names: list[str], file: str) -> list[str]:
    named = [name or f"column_{number}" for number, name in enumerate(names, start=1)]
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        message = (
            f"{file}: the header names {twice[0]!r} more than once; give every column a name in source.options.names"
        )
        raise FatalError(message)
    return named
