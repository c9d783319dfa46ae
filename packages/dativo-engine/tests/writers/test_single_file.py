"""The writer of one file keeps what every writer promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from dativo_config.models.resolved import TableName
from dativo_engine.interfaces import TableLayout
from dativo_engine.writers.onefile import open_single_writer
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import LongType, NestedField

MEMORY = 1024 * 1024
ROWS = pa.RecordBatch.from_pydict({"id": pa.array([1, 2, 3])})


def layout(folder: Path) -> TableLayout:
    schema = Schema(NestedField(1, "id", LongType(), required=False))
    return TableLayout(
        table=TableName(("acme",), "orders"),
        location=f"file://{folder}",
        io_properties={},
        schema=schema,
        spec=UNPARTITIONED_PARTITION_SPEC,
        sort_order=UNSORTED_SORT_ORDER,
        target_file_bytes=1,
    )


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_abort_deletes_the_file_finished_or_not(tmp_path: Path) -> None:
    writer = open_single_writer(layout(tmp_path), run_id="run", memory_bytes=MEMORY)
    writer.write(ROWS)
    writer.flush()
    writer.write(ROWS)
    writer.abort()
    writer.abort()
    assert files(tmp_path) == []


def test_rows_after_a_flush_go_to_a_file_of_their_own(tmp_path: Path) -> None:
    writer = open_single_writer(layout(tmp_path), run_id="run", memory_bytes=MEMORY)
    writer.write(ROWS)
    [first] = writer.flush()
    writer.write(ROWS.slice(1))
    [second] = writer.flush()
    assert [pq.read_table(file.path.removeprefix("file://")).num_rows for file in (first, second)] == [3, 2]
    assert first.path != second.path


def test_what_holds_secrets_is_not_shown(tmp_path: Path) -> None:
    assert "sesame" not in repr(replace(layout(tmp_path), io_properties={"s3.secret-access-key": "sesame"}))
