"""A role that may write and read but not delete: what its runs leave is told, and hinders neither them nor the next."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import pytest
from commit_support import ORDERS, Run, load, make_job, stored_rows
from dativo_config.models.job import Connection, Mode, ObjectStore
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.testing.commit_run import Task, run_in_child
from dativo_engine.testing.commit_world import CommitWorld
from pydantic import SecretStr
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate

from tools.services.seaweedfs import S3Server

pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture
def connection(s3: S3Server) -> Connection:
    """A bucket from which nobody may delete."""
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(bucket)
    s3.forbid_deletes(bucket)
    keys = SecretStr(s3.loader_key_id), SecretStr(s3.secret_access_key)
    store = ObjectStore(endpoint=s3.endpoint, bucket=bucket, access_key_id=keys[0], secret_access_key=keys[1])
    return Connection(s3=store)


def job_in(root: Path, connection: Connection, *, name: str = "orders_job", mode: Mode = "append") -> ResolvedJob:
    assert connection.s3 is not None
    keyed, warehouse = mode == "merge", connection.s3.location
    return make_job(root, name=name, mode=mode, keyed=keyed, connection=connection, warehouse=warehouse)


def staged(job: ResolvedJob, run_id: str, rows: list[tuple[int, str]]) -> Run:
    """A run up to just before publish."""
    run = Run(job, run_id)
    run.committer.last()
    run.stage(rows)
    return run


def test_what_a_killed_run_left_is_told_by_each_run_after_it(tmp_path: Path, connection: Connection) -> None:
    world = CommitWorld(tmp_path, connection=connection)
    assert run_in_child(world, Task("r1", [(1, "a")], 1, kill_at="before_commit")) == -signal.SIGKILL
    job = job_in(tmp_path, connection)
    for number in (2, 3):
        run = staged(job, f"r{number}", [(number, "b")])
        run.publish(at=number)
        assert run.events.count("leftovers_kept") == 1
    assert stored_rows(job) == [(2, "b"), (3, "b")]


def test_a_run_that_failed_gives_up_without_another_failure(tmp_path: Path, connection: Connection) -> None:
    job = job_in(tmp_path, connection)
    load(job, "r1", [(1, "a")], at=1)
    failed = staged(job, "r2", [(2, "b")])
    failed.committer.abandon()
    assert failed.events.count("leftovers_kept") == 1
    load(job, "r3", [(3, "c")], at=3)
    assert stored_rows(job) == [(1, "a"), (3, "c")]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_commit_that_another_was_faster_than_is_made_again(
    tmp_path: Path, connection: Connection, mode: Mode
) -> None:
    job, other = (job_in(tmp_path, connection, name=name, mode=mode) for name in ("orders_job", "other"))
    load(job, "r1", [(1, "a")], at=1)
    catalog = open_catalog(job)
    commit, came = catalog.commit_table, list[str]()

    def overtaken(
        table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        if not came:
            came.append("o1")
            load(other, "o1", [(9, "z")], at=1)
        return commit(table, requirements, updates)

    catalog.commit_table = overtaken  # pyright: ignore[reportAttributeAccessIssue] - this object's only
    run = Run(job, "r2", catalog=catalog)
    run.stage([(2, "b")])
    assert run.publish(at=2)[ORDERS].status == "committed"
    assert run.events.count("leftovers_kept") > 0
    assert stored_rows(job) == [(1, "a"), (2, "b"), (9, "z")]
    load(job, "r3", [(3, "c")], at=3)
    assert stored_rows(job) == [(1, "a"), (2, "b"), (3, "c"), (9, "z")]
