"""A newer contract changes its table in the commit that brings the first rows for it, and only then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from commit_support import ORDERS, PROPERTIES, Run, load, make_job, schema_object, stored, write_file
from dativo_config.models.contract import PhysicalType, Property
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.errors import FatalError

ID, NAME = PROPERTIES
PRICE = Property("price", "price", "number", PhysicalType("double"))


def job_with(root: Path, *properties: Property, evolution: str = "additive", **target: object) -> ResolvedJob:
    job = make_job(root, schema=schema_object(properties=properties))
    settings = replace(job.target, **target)  # pyright: ignore[reportArgumentType] - a test's own fields
    return replace(job, job=job.job.model_copy(update={"schema_evolution": evolution}), target=settings)


def add(job: ResolvedJob, run_id: str, columns: Mapping[str, pa.Array], at: object = None) -> Run:
    run = Run(job, run_id)
    run.committer.last()
    run.committer.stage([write_file(run.committer.layout(ORDERS), run_id, pa.table(dict(columns)))])
    run.publish(at)
    return run


def read(job: ResolvedJob) -> list[dict[str, object]]:
    return sorted(stored(job).scan().to_arrow().to_pylist(), key=lambda row: str(row["id"]))


def test_a_new_column_is_null_in_the_rows_that_were_there(tmp_path: Path):
    load(job_with(tmp_path, ID, NAME), "r1", [(1, "a")])
    newer = job_with(tmp_path, ID, PRICE, NAME)
    add(newer, "r2", {"id": pa.array([2]), "price": pa.array([1.5]), "name": pa.array(["b"])})
    assert read(newer) == [{"id": 1, "price": None, "name": "a"}, {"id": 2, "price": 1.5, "name": "b"}]
    assert [field.field_id for field in stored(newer).schema().fields] == [1, 3, 2]


def test_a_run_that_fails_before_its_commit_leaves_the_schema_as_it_was(tmp_path: Path):
    job = job_with(tmp_path, ID, NAME)
    load(job, "r1", [(1, "a")])
    run = Run(job_with(tmp_path, ID, NAME, PRICE), "r2")
    run.committer.last()
    run.committer.layout(ORDERS)
    run.committer.abandon()
    assert [field.name for field in stored(job).schema().fields] == ["id", "name"]


def test_a_newer_contract_lands_with_a_run_that_has_no_rows(tmp_path: Path):
    load(job_with(tmp_path, ID, NAME), "r1", [(1, "a")], at=1)
    newer = job_with(tmp_path, ID, NAME, PRICE)
    result = load(newer, "r2", [], at=1)
    assert result.status == "committed"
    assert [field.name for field in stored(newer).schema().fields] == ["id", "name", "price"]
    assert load(newer, "r3", [], at=1).status == "unchanged"


def test_an_int_is_widened_and_old_files_still_read(tmp_path: Path):
    small = Property("count", "count", "integer", PhysicalType("int"))
    load_job = job_with(tmp_path, ID, small)
    add(load_job, "r1", {"id": pa.array([1]), "count": pa.array([7], pa.int32())})
    wide = job_with(tmp_path, ID, replace(small, physical_type=PhysicalType("long")))
    add(wide, "r2", {"id": pa.array([2]), "count": pa.array([2**40])})
    assert [row["count"] for row in read(wide)] == [7, 2**40]


def test_a_column_renamed_under_its_id_keeps_its_values(tmp_path: Path):
    named = replace(NAME, id="n-1")
    job = job_with(tmp_path, ID, named)
    load(job, "r1", [(1, "a")])
    renamed = job_with(tmp_path, ID, replace(named, name="title", column="title"))
    add(renamed, "r2", {"id": pa.array([2]), "title": pa.array(["b"])})
    assert read(renamed) == [{"id": 1, "title": "a"}, {"id": 2, "title": "b"}]


def test_partitions_and_sort_order_may_change_and_change_back(tmp_path: Path):
    load(job_with(tmp_path, ID, NAME), "r1", [(1, "a")])
    split = job_with(tmp_path, ID, NAME, partitioning=("bucket(4, id)",), sort_order=("name desc",))
    run = Run(split, "r2")
    run.committer.last()
    layout = run.committer.layout(ORDERS)
    assert [str(field.transform) for field in layout.spec.fields] == ["bucket[4]"]
    run.publish(2)
    table = stored(split)
    assert [str(field.transform) for field in table.spec().fields] == ["bucket[4]"]
    assert [str(field.direction) for field in table.sort_order().fields] == ["DESC"]
    back = job_with(tmp_path, ID, NAME, partitioning=("identity(name)",))
    load(back, "r3", [], at=3)
    assert len(stored(back).specs()) == 3
    load(split, "r4", [], at=4)
    assert len(stored(back).specs()) == 3


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ((ID,), "the table has column name, which the contract lacks"),
        ((ID, replace(NAME, physical_type=PhysicalType("long"))), "column name is string in the table and long"),
        ((ID, NAME, replace(PRICE, required=True)), "column price is new and required"),
    ],
)
def test_what_stored_rows_do_not_allow_stops_the_run_before_any_row(
    tmp_path: Path, properties: tuple[Property, ...], named: str
):
    load(job_with(tmp_path, ID, NAME), "r1", [(1, "a")])
    run = Run(job_with(tmp_path, *properties), "r2")
    run.committer.last()
    with pytest.raises(FatalError, match=f"acme.orders: .*{re.escape(named)}"):
        run.committer.layout(ORDERS)


def test_strict_evolution_takes_neither_columns_nor_partitions(tmp_path: Path):
    load(job_with(tmp_path, ID, NAME), "r1", [(1, "a")])
    for job in (
        job_with(tmp_path, ID, NAME, PRICE, evolution="strict"),
        job_with(tmp_path, ID, NAME, evolution="strict", partitioning=("name",)),
    ):
        run = Run(job, "r2")
        run.committer.last()
        with pytest.raises(FatalError, match="schema_evolution: additive"):
            run.committer.layout(ORDERS)
