"""Files that others gave to a table: without field ids, without the column that partitions them, with their deletes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commit_deletes import delete_by_value
from commit_support import ORDERS, Events, Run, load, make_job, schema_object, stored, stored_rows, write_file
from dativo_config.models.contract import PhysicalType, Property
from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.fence import Place
from dativo_engine.commits.rows import reader_of
from dativo_engine.errors import FatalError
from dativo_engine.maintenance.compact import compact
from dativo_engine.state import stamps as state
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, TableProperties
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record

ID = Property("id", "id", "integer", PhysicalType("long"))
NAME = Property("name", "name", "string", PhysicalType("string"))
COUNTRY = Property("country", "country", "string", PhysicalType("string"))
Rows = Sequence[tuple[int, str]]


def job_for(root: Path, *properties: Property, mode: Mode = "append", keyed: bool = True) -> ResolvedJob:
    return make_job(root, mode=mode, schema=schema_object(keyed=keyed, properties=properties))


def write(path: Path, columns: Mapping[str, pa.Array | Sequence[Any]]) -> str:
    """A file as anything but an Iceberg library writes it."""
    pq.write_table(pa.table(dict(columns)), path)
    return f"file://{path}"


def adopted(job: ResolvedJob, root: Path, rows: Rows) -> Table:
    """A table made elsewhere out of files that were there, one a row, and adopted by the job."""
    catalog = open_catalog(job)
    catalog.create_namespace("acme")
    table = catalog.create_table("acme.orders", pa.schema([("id", pa.int64()), ("name", pa.string())]))
    files = [write(root / f"their-{number}.parquet", {"id": [number], "name": [name]}) for number, name in rows]
    table.add_files(files)
    state.adopt(job, ORDERS, {}, Events())
    return stored(job)


def compacted(job: ResolvedJob) -> tuple[int, int]:
    done = compact(job, Place(open_catalog(job), ORDERS), Events(), memory_bytes=1 << 28)
    return done.before, done.after


SIX = [(number, f"n{number}") for number in range(6)]


def test_compaction_keeps_the_values_of_files_without_field_ids(tmp_path: Path):
    job = job_for(tmp_path, ID, NAME)
    adopted(job, tmp_path, SIX)
    assert compacted(job) == (6, 1)
    assert stored_rows(job) == SIX


def test_a_merge_finds_the_keys_in_files_without_field_ids(tmp_path: Path):
    job = job_for(tmp_path, ID, NAME, mode="merge")
    adopted(job, tmp_path, SIX)
    load(job, "r1", [(2, "changed"), (9, "new")], at=1)
    assert stored_rows(job) == [*SIX[:2], (2, "changed"), *SIX[3:], (9, "new")]


def test_a_merge_keeps_the_texts_of_a_file_whose_dictionary_has_one_of_them_twice(tmp_path: Path):
    job = job_for(tmp_path, ID, NAME, mode="merge")
    adopted(job, tmp_path, [])
    path = tmp_path / "theirs.parquet"
    pq.write_table(pa.table({"id": range(4), "name": ["aa", "bb", "cc", "dd"]}), path, compression="none")
    # Arrow writes no such file: the dictionary becomes aa, aa, cc, dd.
    written, ours, theirs = path.read_bytes(), b"parquet-cpp-arrow version", b"some-other-writer version"
    assert written.count(b"\2\0\0\0bb") == written.count(ours) == 1
    path.write_bytes(written.replace(b"\2\0\0\0bb", b"\2\0\0\0aa").replace(ours, theirs))
    stored(job).add_files([f"file://{path}"])

    load(job, "r1", [(3, "changed")], at=1)
    assert stored_rows(job) == [(0, "aa"), (1, "aa"), (2, "cc"), (3, "changed")]


def test_an_append_finds_the_keys_in_files_without_field_ids(tmp_path: Path):
    job = job_for(tmp_path, ID, NAME)
    adopted(job, tmp_path, SIX)
    run = Run(job, "r1")
    (late,) = run.stage([(2, "again"), (9, "new")])
    run.publish(at=1)
    assert late.positions.to_pylist() == [0]
    assert stored_rows(job) == [*SIX, (9, "new")]


def test_a_column_renamed_since_keeps_the_values_of_files_without_field_ids(tmp_path: Path):
    named = replace(NAME, id="n-1")
    job = job_for(tmp_path, ID, named)
    adopted(job, tmp_path, SIX)
    load(job, "r1", [(6, "n6")], at=1)
    titled = job_for(tmp_path, ID, replace(named, name="title", column="title"))
    load(titled, "r2", [], at=2)
    assert compacted(titled) == (7, 1)
    found = stored(titled).scan().to_arrow().sort_by("id")
    assert found["title"].to_pylist() == [f"n{number}" for number in range(7)]


@pytest.mark.parametrize("mode", ["merge", "append"])
def test_files_that_nothing_tells_the_columns_of_are_refused_and_stay(tmp_path: Path, mode: Mode):
    job = job_for(tmp_path, ID, NAME, mode=mode)
    table = adopted(job, tmp_path, SIX)
    with table.transaction() as transaction:
        transaction.remove_properties(TableProperties.DEFAULT_NAME_MAPPING)
    before = stored(job).metadata.current_snapshot_id
    told = r"their-\d.parquet: its columns have no field ids.*schema.name-mapping.default"
    with pytest.raises(FatalError, match=told):
        load(job, "r1", [(2, "changed")], at=1)
    with pytest.raises(FatalError, match=told):
        compacted(job)
    assert stored(job).metadata.current_snapshot_id == before


def test_names_inside_of_columns_are_mapped_too(tmp_path: Path):
    job = job_for(tmp_path, ID)
    catalog = open_catalog(job)
    catalog.create_namespace("acme")
    place = pa.struct([("city", pa.string()), ("zip", pa.int32())])
    schema = pa.schema([("id", pa.int64()), ("places", pa.list_(place)), ("by_name", pa.map_(pa.string(), place))])
    table = catalog.create_table("acme.orders", schema)
    rows: list[dict[str, Any]] = [
        {"id": 1, "places": [{"city": "Bonn", "zip": 1}, None], "by_name": [("x", {"city": "Ulm", "zip": None})]},
        {"id": 2, "places": None, "by_name": None},
        {"id": 3, "places": [], "by_name": []},
    ]
    path = tmp_path / "their.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    table.add_files([f"file://{path}"])
    with table.update_schema() as update:
        update.rename_column("places.city", "town")
        update.rename_column("by_name.value.zip", "code")
    (task,) = table.scan().plan_files()
    batches = reader_of(table.metadata, table.io).rows(task.file, ["id", "places", "by_name"], batch_rows=2)
    assert pa.Table.from_batches(batches).to_pylist() == [
        {"id": 1, "places": [{"town": "Bonn", "zip": 1}, None], "by_name": [("x", {"city": "Ulm", "code": None})]},
        {"id": 2, "places": None, "by_name": None},
        {"id": 3, "places": [], "by_name": []},
    ]


def in_path_alone(table: Table, path: str, country: str) -> DataFile:
    """A file of one country, as Hive has it: the column is not in it."""
    file = parquet_file_to_data_file(table.io, table.metadata, path)
    return DataFile.from_args(
        content=file.content,
        file_path=path,
        file_format=file.file_format,
        partition=Record(country),
        record_count=file.record_count,
        file_size_in_bytes=file.file_size_in_bytes,
        column_sizes=None,
        value_counts=None,
        null_value_counts=None,
        nan_value_counts=None,
        lower_bounds=None,
        upper_bounds=None,
        split_offsets=None,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
    )


def test_a_column_that_only_the_partition_tells_keeps_its_value(tmp_path: Path):
    job = job_for(tmp_path, ID, COUNTRY, mode="merge")
    catalog = open_catalog(job)
    catalog.create_namespace("acme")
    table = catalog.create_table("acme.orders", pa.schema([("id", pa.int64()), ("country", pa.string())]))
    with table.update_spec() as update:
        update.add_field("country", IdentityTransform(), "country")
    with table.transaction() as transaction:
        mapping = table.schema().name_mapping.model_dump_json()
        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as snapshot:
        for number, country in enumerate(("de", "fr")):
            path = write(tmp_path / f"{country}.parquet", {"id": [number * 10, number * 10 + 1]})
            file = in_path_alone(table, path, country)
            file.spec_id = table.spec().spec_id
            snapshot.append_data_file(file)
    state.adopt(job, ORDERS, {}, Events())

    run = Run(job, "r1")
    run.committer.last()
    changes = pa.table({"id": pa.array([1], pa.int64()), "country": ["it"]})
    run.committer.stage([write_file(run.committer.layout(ORDERS), "r1", changes)])
    run.publish(1)

    found = stored(job).scan(row_filter=AlwaysTrue()).to_arrow().sort_by("id").to_pylist()
    assert [(row["id"], row["country"]) for row in found] == [(0, "de"), (1, "it"), (10, "fr"), (11, "fr")]


def test_a_column_of_another_type_than_the_tables_is_refused_by_name(tmp_path: Path):
    job = job_for(tmp_path, ID, NAME)
    table = adopted(job, tmp_path, SIX)
    path = write(tmp_path / "odd.parquet", {"id": ["one"], "name": ["n1"]})
    with pytest.raises(FatalError, match=r"odd.parquet: column id is string, and can't be read as int64"):
        list(reader_of(table.metadata, table.io).rows(path, ["id"], batch_rows=10))


@pytest.mark.parametrize("mode", ["merge", "append"])
def test_deletes_by_value_stop_the_run_with_the_tables_name_and_what_to_do(tmp_path: Path, mode: Mode):
    job = job_for(tmp_path, ID, NAME, mode=mode)
    load(job, "r1", [(1, "a"), (2, "b")], at=1)
    delete_by_value(stored(job), "id", [2])
    told = r"acme.orders: .*deletes-\d+.parquet .*equality deletes.*rewrite_data_files"
    with pytest.raises(FatalError, match=told):
        load(job, "r2", [(1, "c")], at=2)
    with pytest.raises(FatalError, match=told):
        compacted(job)
