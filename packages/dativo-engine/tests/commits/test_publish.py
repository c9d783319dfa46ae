"""What one run after the other does to a table, as its readers see it."""

from dataclasses import replace
from pathlib import Path

import pytest
from commit_support import ORDERS, Run, cursor_of, load, make_job, schema_object, stored, stored_rows
from dativo_config.models.contract import PhysicalType, Property
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.stamp import standing
from dativo_engine.errors import FatalError
from pyiceberg.table.sorting import SortDirection


def test_the_table_is_created_with_its_first_rows_and_not_before(job: ResolvedJob):
    run = Run(job, "r1")
    assert run.committer.last() == {ORDERS: None}
    run.stage([(1, "a")])
    assert not open_catalog(job).table_exists(("acme", "orders"))
    result = run.publish(at=1)[ORDERS]
    assert stored_rows(job) == [(1, "a")]
    assert (result.status, result.rows, result.files) == ("committed", 1, 1)
    assert result.metadata_location == stored(job).metadata_location
    assert len(stored(job).metadata.snapshots) == 1


def test_stamp_and_rows_come_in_one_commit_in_summary_and_property(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    table = stored(job)
    key = job.tenant.stamp_property(job.name)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary[key] == table.properties[key]
    assert cursor_of(job) == 1
    assert len(table.metadata.metadata_log) == 0


def test_rows_are_appended_and_the_cursor_moves(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    load(job, "r2", [(2, "b")], at=2)
    assert stored_rows(job) == [(1, "a"), (2, "b")]
    assert cursor_of(job) == 2


def test_a_cursor_that_moves_without_rows_makes_an_empty_snapshot(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    assert load(job, "r2", [], at=2).status == "committed"
    assert (stored_rows(job), cursor_of(job)) == ([(1, "a")], 2)
    assert len(stored(job).metadata.snapshots) == 2


def test_when_neither_rows_nor_cursor_move_nothing_is_written(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    before = stored(job).metadata_location
    result = load(job, "r2", [], at=1)
    assert result.status == "unchanged"
    assert (stored(job).metadata_location, result.metadata_location) == (before, before)


def test_a_first_run_without_rows_creates_the_empty_table(job: ResolvedJob):
    load(job, "r1", [], at=1)
    assert (stored_rows(job), cursor_of(job)) == ([], 1)


def test_replace_exchanges_all_rows_in_one_snapshot(tmp_path: Path):
    job = make_job(tmp_path, mode="replace")
    load(job, "r1", [(1, "a"), (2, "b")])
    load(job, "r2", [(3, "c")])
    assert stored_rows(job) == [(3, "c")]
    assert len(stored(job).metadata.snapshots) == 2


def test_replace_by_nothing_over_rows_fails_unless_allowed(tmp_path: Path):
    job = make_job(tmp_path, mode="replace")
    load(job, "r1", [(1, "a")])
    with pytest.raises(FatalError, match="allow_empty"):
        load(job, "r2", [])
    assert stored_rows(job) == [(1, "a")]
    load(make_job(tmp_path, mode="replace", allow_empty=True), "r3", [])
    assert stored_rows(job) == []


def test_of_two_tables_neither_is_replaced_where_one_must_not_be_emptied(tmp_path: Path):
    customers = TableName(("acme",), "customers")
    both = (ORDERS, customers)
    job = make_job(tmp_path, mode="replace", tables=both)
    first = Run(job, "r1")
    first.stage([(1, "a")])
    first.stage([(2, "b")], table=customers)
    first.publish(tables=both)
    second = Run(job, "r2")
    second.stage([(3, "c")])
    second.reject(["bad"])
    with pytest.raises(FatalError, match=r"acme\.customers.*allow_empty"):
        second.publish(tables=both)
    second.committer.abandon()
    assert (stored_rows(job), stored_rows(job, customers)) == ([(1, "a")], [(2, "b")])
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == 2


def test_abandon_deletes_what_was_staged_and_may_be_called_twice(job: ResolvedJob):
    run = Run(job, "r1")
    run.stage([(1, "a")])
    run.committer.abandon()
    run.committer.abandon()
    assert [path for path in job.tenant.state_folder.rglob("*") if path.suffix in {".parquet", ".staged"}] == []


def test_abandon_after_publish_leaves_the_table_alone(job: ResolvedJob):
    run = Run(job, "r1")
    run.stage([(1, "a")])
    run.publish(at=1)
    run.committer.abandon()
    assert stored_rows(job) == [(1, "a")]


def test_partitions_sort_order_properties_and_identifier_are_those_of_job_and_contract(tmp_path: Path):
    day = Property("day", "day", "date", PhysicalType("date"), required=True)
    schema = replace(schema_object(keyed=True), properties=(*schema_object().properties, day))
    job = make_job(
        tmp_path,
        schema=schema,
        partitioning=("month(day)", "bucket(4, id)"),
        sort_order=("name desc", "id"),
        properties={"classification.name": "pii"},
    )
    Run(job, "r1").publish(at=1)
    table = stored(job)
    assert [(field.name, str(field.transform)) for field in table.spec().fields] == [
        ("day_month", "month"),
        ("id_bucket_4", "bucket[4]"),
    ]
    assert [field.direction for field in table.sort_order().fields] == [SortDirection.DESC, SortDirection.ASC]
    assert table.properties["classification.name"] == "pii"
    assert table.schema().identifier_field_names() == {"id"}
    assert table.schema().find_field("name").doc == "who it is"


def test_a_property_that_changes_reaches_the_existing_table(tmp_path: Path):
    load(make_job(tmp_path), "r1", [(1, "a")], at=1)
    load(make_job(tmp_path, properties={"governance.owner": "ops"}), "r2", [(2, "b")], at=2)
    assert stored(make_job(tmp_path)).properties["governance.owner"] == "ops"


def test_a_property_that_changes_reaches_the_table_also_where_nothing_else_is_new(tmp_path: Path):
    load(make_job(tmp_path, properties={"owner": "ops", "area": "eu"}), "r1", [(1, "a")], at=1)
    changed = make_job(tmp_path, properties={"owner": "sales"})
    assert load(changed, "r2", [], at=1).status == "committed"
    assert stored(changed).properties["owner"] == "sales"
    assert "area" not in stored(changed).properties
    assert load(changed, "r3", [], at=1).status == "unchanged"
    assert load(make_job(tmp_path), "r4", [], at=1).status == "committed"
    assert "sales" not in str(stored(changed).properties)
    assert load(make_job(tmp_path), "r5", [], at=1).status == "unchanged"
    assert stored_rows(changed) == [(1, "a")]


def test_a_property_that_a_job_no_longer_sets_goes_back_to_its_default_and_stays_where_another_sets_it(tmp_path: Path):
    codec = "write.parquet.compression-codec"
    load(make_job(tmp_path, properties={codec: "gzip", "owner": "ops"}), "r1", [(1, "a")], at=1)
    load(make_job(tmp_path, name="other", properties={"owner": "ops"}), "r2", [(2, "b")], at=1)
    stored(make_job(tmp_path)).transaction().set_properties({"of": "somebody"}).commit_transaction()
    load(make_job(tmp_path), "r3", [(3, "c")], at=2)
    properties = stored(make_job(tmp_path)).properties
    assert (properties[codec], properties["owner"], properties["of"]) == ("zstd", "ops", "somebody")


def test_jobs_that_want_different_things_of_a_table_do_not_commit_by_turns(tmp_path: Path):
    jobs = [make_job(tmp_path, name=name, properties={"owner": name}) for name in ("one", "other")]
    for number, job in enumerate(jobs, 1):
        load(job, f"r{number}", [(number, "a")], at=1)
    assert [load(job, f"again-{job.name}", [], at=1).status for job in jobs] == ["unchanged"] * 2


def test_a_contract_that_no_longer_fits_the_table_is_refused_with_every_column_named(tmp_path: Path):
    load(make_job(tmp_path), "r1", [(1, "a")], at=1)
    changed = schema_object(
        properties=(
            Property("id", "id", "string", PhysicalType("string"), required=True),
            Property("age", "age", "integer", PhysicalType("long")),
        )
    )
    with pytest.raises(FatalError, match=r"id is long in the table.*the table has column name"):
        Run(make_job(tmp_path, schema=changed), "r2").committer.layout(ORDERS)


@pytest.mark.parametrize("text", ["day(nothing)", "hour(name)", "sideways(id)", "bucket(id)"])
def test_a_partitioning_that_does_not_fit_is_refused(tmp_path: Path, text: str):
    with pytest.raises(FatalError):
        Run(make_job(tmp_path, partitioning=(text,)), "r1").committer.layout(ORDERS)


def test_namespaces_of_several_levels_are_made_on_demand(tmp_path: Path):
    deep = TableName(("acme", "shop", "eu"), "orders")
    job = make_job(tmp_path, tables=(deep,))
    run = Run(job, "r1")
    run.stage([(1, "a")], table=deep)
    run.publish(at=1, tables=(deep,))
    assert stored_rows(job, deep) == [(1, "a")]


def test_a_job_that_joins_a_table_of_other_jobs_starts_from_no_cursor_and_keeps_their_stamps(tmp_path: Path):
    first, second = make_job(tmp_path, name="first"), make_job(tmp_path, name="second")
    load(first, "r1", [(1, "a")], at=1)
    assert cursor_of(second) is None
    load(second, "r2", [(2, "b")], at="x")
    assert (cursor_of(first), cursor_of(second)) == (1, "x")
    assert len(standing(stored(first).metadata)) == 2


def test_a_second_attempt_goes_on_with_the_tables_that_did_not_land(tmp_path: Path):
    returns = TableName(("acme",), "returns")
    job = make_job(tmp_path, tables=(ORDERS, returns))
    first = Run(job, "r1", attempt=1)
    first.stage([(1, "a")])
    first.publish(at=1, tables=(ORDERS,))
    second = Run(job, "r1", attempt=2)
    second.stage([(1, "a")])
    second.stage([(9, "z")], table=returns)
    results = second.publish(at=1, tables=(ORDERS, returns))
    assert [result.status for result in results.values()] == ["already_committed", "committed"]
    assert (stored_rows(job), stored_rows(job, returns)) == ([(1, "a")], [(9, "z")])


def test_a_merge_tells_what_it_did(tmp_path: Path):
    job = make_job(tmp_path, mode="merge", keyed=True)
    load(job, "r1", [(1, "a"), (2, "b")], at=1)
    run = Run(job, "r2")
    run.committer.last()
    run.stage([(2, "new"), (3, "c")])
    run.publish(at=2)
    (told,) = [message for kind, message in run.events.told if kind == "commit_success"]
    assert told.endswith("visible in acme.orders: 1 inserted, 1 updated, 0 deleted")
