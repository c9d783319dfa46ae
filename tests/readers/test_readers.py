"""The three readers agree on a table that dativo had no part in, so that where they differ later, dativo is wrong."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

from tests.readers.view import ColumnStatistics, Reader

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "amount", DecimalType(12, 2)),
    NestedField(3, "share", DoubleType()),
    NestedField(4, "name", StringType()),
    NestedField(5, "day", DateType()),
    NestedField(6, "at", TimestamptzType()),
    NestedField(7, "paid", BooleanType()),
    NestedField(8, "address", StructType(NestedField(9, "city", StringType()))),
    NestedField(10, "tags", ListType(11, StringType(), element_required=False)),
    NestedField(12, "labels", MapType(13, StringType(), 14, StringType(), value_required=False)),
    NestedField(15, "nothing", StringType()),
)
ROWS = [
    {
        "id": number,
        "amount": None if number % 7 == 0 else Decimal(number) / 4,
        "share": number / 3,
        "name": f"Zoë {number}",
        "day": dt.date(2024, 1, 1) + dt.timedelta(days=number),
        "at": dt.datetime(2024, 1, 1, 23, 59, 59, number, tzinfo=dt.UTC) + dt.timedelta(hours=number),
        "paid": number % 2 == 0,
        "address": {"city": "Oslo"} if number % 5 else None,
        "tags": ["a", None][: number % 3],
        "labels": [("k", str(number))] if number % 4 else None,
        "nothing": None,
    }
    for number in range(40)
]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Two snapshots of a table partitioned by day."""
    catalog = SqlCatalog("made", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=str(tmp_path / "warehouse"))
    catalog.create_namespace("shop")
    spec = PartitionSpec(PartitionField(source_id=6, field_id=1000, transform=DayTransform(), name="at_day"))
    made = catalog.create_table("shop.orders", schema=SCHEMA, partition_spec=spec)
    arrow_schema = made.schema().as_arrow()
    for part in (ROWS[:25], ROWS[25:]):
        made.append(pa.Table.from_pylist(part, schema=arrow_schema))
    catalog.close()
    return made


def test_three_readers_see_the_same_rows_and_statistics(table: Table, readers: tuple[Reader, ...]) -> None:
    views = {reader.name: reader.read(table.metadata_location) for reader in readers}

    assert views["duckdb"] == views["pyiceberg"]
    assert views["spark"] == views["pyiceberg"]


def test_a_reader_gives_every_row_and_counts_nulls(table: Table, pyiceberg_reader: Reader) -> None:
    seen = pyiceberg_reader.read(table.metadata_location)

    assert len(seen.rows) == len(ROWS)
    assert seen.statistics["id"] == ColumnStatistics(0, 0, 39)
    assert seen.statistics["amount"] == ColumnStatistics(6, Decimal("0.25"), Decimal("9.75"))
    assert seen.statistics["nothing"] == ColumnStatistics(40, None, None)
    assert "tags" not in seen.statistics


def test_readers_that_disagree_are_unequal(table: Table, duckdb_reader: Reader, pyiceberg_reader: Reader) -> None:
    before = duckdb_reader.read(table.metadata_location)

    table.delete("id = 3")

    assert pyiceberg_reader.read(table.metadata_location) != before
