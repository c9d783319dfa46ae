"""Parquet files: batches with bounded memory, columns by name."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from dativo_engine.errors import FatalError
from pyarrow import parquet
from source_support import MakeJob, Write


def test_rows_keep_their_types_numbers_and_order(tmp_path: Path, make_job: MakeJob) -> None:
    table = pa.table({"id": range(100_000), "s": pa.array(["x", None] * 50_000), "t": [{"a": [1]}] * 100_000})
    parquet.write_table(table, tmp_path / "x.parquet", row_group_size=30_000)
    loaded = make_job("parquet", tmp_path, memory_bytes=2 << 20).read()
    assert pa.Table.from_batches([batch.records for batch in loaded.batches]) == table
    assert len(loaded.batches) > 5
    assert loaded.numbers() == list(range(1, 100_001))
    assert sum(batch.bytes_read for batch in loaded.batches) == (tmp_path / "x.parquet").stat().st_size


def test_a_file_without_rows(tmp_path: Path, make_job: MakeJob) -> None:
    parquet.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / "x.parquet")
    assert make_job("parquet", tmp_path / "x.parquet").read().rows == []


def test_something_else_is_named(write: Write, make_job: MakeJob) -> None:
    with pytest.raises(FatalError, match=r"data/x\.parquet: can't be read as Parquet"):
        make_job("parquet", write("data/x.parquet", "a,b\n1,2\n")).read()


def test_a_damaged_page_is_named(tmp_path: Path, make_job: MakeJob) -> None:
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"id": range(100_000)}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[20:20_000] = b"\xff" * (20_000 - 20)
    path.write_bytes(content)
    with pytest.raises(FatalError, match=r"x\.parquet: can't be read as Parquet"):
        make_job("parquet", path).read()


def test_discover_takes_the_schema_of_the_file(tmp_path: Path, make_job: MakeJob) -> None:
    table = pa.table({"id": [1], "at": pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("ns"))})  # noqa: DTZ001
    parquet.write_table(table, tmp_path / "x.parquet")
    (found,) = make_job("parquet", tmp_path).source().discover()
    assert found.arrow_schema == pa.schema({"id": pa.int64(), "at": pa.timestamp("us")})
    assert found.primary_key == ("id",)
    assert found.cursor_candidates == ("at",)
