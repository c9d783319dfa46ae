"""Every Iceberg type, nested ones too, comes back from foreign readers as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_config.models.resolved import TableName
from dativo_engine.commits.data_files import to_data_file
from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.testing.type_cases import TYPE_CASES, TypeCase
from dativo_engine.writers.parquet import open_writer
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import DoubleType, ListType, LongType, NestedField, StringType, StructType, UUIDType


def _append(tmp_path: Path, schema: Schema, batch: pa.RecordBatch) -> tuple[Table, list[StagedFile]]:
    """Write the rows and append them to a new table of a real catalogue."""
    catalog = SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("acme")
    table = catalog.create_table("acme.orders", schema)
    layout = TableLayout(
        table=TableName(("acme",), "orders"),
        location=table.location(),
        io_properties={},
        schema=table.schema(),
        spec=table.spec(),
        sort_order=table.sort_order(),
        target_file_bytes=128 * 1024 * 1024,
    )
    writer = open_writer(layout, run_id="run", memory_bytes=64 * 1024 * 1024)
    writer.write(batch)
    files = writer.flush()
    transaction = table.transaction()
    with transaction.update_snapshot().fast_append() as append:
        for file in files:
            append.append_data_file(to_data_file(file, table.spec()))
    transaction.commit_transaction()
    catalog.close()
    return table, files


@pytest.mark.parametrize("case", TYPE_CASES, ids=lambda case: case.name)
def test_pyiceberg_and_duckdb_read_what_was_written(tmp_path: Path, case: TypeCase) -> None:
    fields = (NestedField(1, "id", LongType(), required=True), NestedField(2, "value", case.iceberg, required=False))
    ids = pa.array(range(len(case.values)), pa.int64())
    table, files = _append(tmp_path, Schema(*fields), pa.record_batch([ids, case.column()], names=["id", "value"]))

    wanted = schema_to_pyarrow(table.schema()).field("value").type
    expected = _plain(case.column(), wanted)
    read = table.scan().to_arrow().column("value").to_pylist()
    # PyIceberg reads a null list of structs as an empty one.
    as_read = [[] if item is None else item for item in expected] if case.name == "list of structs" else expected
    assert repr(read) == repr(as_read)
    if case.iceberg.is_primitive and case.iceberg != UUIDType():  # by the others PyIceberg can't filter
        assert table.scan(row_filter="value is null").to_arrow().num_rows == case.column().null_count
    path = files[0].path.removeprefix("file://")
    assert repr(_duckdb_reads(path, wanted)) == repr(expected)  # as text: NaN is not equal to itself
    assert pq.read_schema(path).field("id").nullable is False


def _duckdb_reads(path: str, wanted: pa.DataType) -> Sequence[object]:
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT value FROM read_parquet(?) ORDER BY id", [path])
        if "uuid" in str(wanted):  # text in DuckDB's Arrow
            return [row[0] for row in rows.fetchall()]
        return _plain(rows.to_arrow_table().column("value").combine_chunks(), wanted)


def _plain(values: pa.Array, wanted: pa.DataType) -> Sequence[object]:
    return values.cast(wanted).to_pylist()


def test_columns_are_found_by_their_ids_after_a_rename(tmp_path: Path) -> None:
    place = StructType(NestedField(23, "lat", DoubleType(), required=False))
    address_type = StructType(
        NestedField(21, "city", StringType(), required=False), NestedField(22, "place", place, required=False)
    )
    schema = Schema(
        NestedField(1, "id", LongType(), required=False),
        NestedField(2, "address", address_type, required=False),
        NestedField(3, "tags", ListType(31, StringType(), element_required=False), required=False),
    )
    address = pa.struct([("city", pa.string()), ("place", pa.struct([("lat", pa.float64())]))])
    rows = {"id": [1], "address": [{"city": "Bonn", "place": {"lat": 50.7}}], "tags": [["a"]]}
    arrow = pa.schema([("id", pa.int64()), ("address", address), ("tags", pa.list_(pa.string()))])
    table, _ = _append(tmp_path, schema, pa.RecordBatch.from_pydict(rows, schema=arrow))

    with table.update_schema() as update:
        update.rename_column("id", "number").rename_column("address.city", "town").rename_column("tags", "labels")
    row = table.scan().to_arrow().to_pylist()[0]
    assert row == {"number": 1, "address": {"town": "Bonn", "place": {"lat": 50.7}}, "labels": ["a"]}
