"""A table as one reader sees it, in a form in which readers can be compared."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What a reader says of one column; `lowest` and `highest` are None where it has no values."""

    nulls: int
    lowest: object
    highest: object


@dataclass(frozen=True, slots=True)
class TableView:
    """All rows, in an order that does not depend on the reader, and the statistics of columns of simple types."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    statistics: Mapping[str, ColumnStatistics]


Figures: TypeAlias = tuple[int, object, object]


class Reader(Protocol):
    """An engine that is not dativo and reads Iceberg tables."""

    @property
    def name(self) -> str: ...

    def read(self, metadata_location: str) -> TableView:
        """The table whose current metadata file this is (`dativo table show --json`: `metadata_location`)."""
        ...


def view(rows: Sequence[Mapping[str, object]], columns: Sequence[str], statistics: Mapping[str, Figures]) -> TableView:
    """Put what a reader returned into the comparable form.

    Args:
        rows: Python values by column.
        columns: in table order.
        statistics: (nulls, lowest, highest) by column.
    """
    plain = (tuple(_plain(row[column]) for column in columns) for row in rows)
    return TableView(
        columns=tuple(columns),
        rows=tuple(sorted(plain, key=repr)),
        statistics={
            column: ColumnStatistics(nulls, _plain(lowest), _plain(highest))
            for column, (nulls, lowest, highest) in statistics.items()
        },
    )


def last_metadata(table_location: str) -> str:
    """The newest metadata file of a table, for tests that know only where the table is."""
    folder = Path(table_location.removeprefix("file://")) / "metadata"
    return str(max(folder.glob("*.metadata.json"), key=lambda file: json.loads(file.read_text())["last-updated-ms"]))


def _plain(value: object) -> object:  # noqa: PLR0911 (a table of cases)
    """One spelling per value: readers differ in time zones, in map and uuid classes, and in how they write NaN."""
    match value:
        case dt.datetime(tzinfo=zone) if zone is not None:
            return value.astimezone(dt.UTC)
        case uuid.UUID() | Path():
            return str(value)
        case bytearray() | memoryview():
            return bytes(value)
        case float() if math.isnan(value):
            return "NaN"
        case dict():
            return tuple((key, _plain(item)) for key, item in value.items())
        case list() | tuple():
            return tuple(_plain(item) for item in value)
        case _:
            return value
