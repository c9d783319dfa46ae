"""Two writers, lost answers, other engines' commits: each row lands once, or nobody's does."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from commit_child import CONFLICT, Task, start
from commit_support import ORDERS, Events, Run, cursor_of, load, make_job, stored, stored_rows
from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.catalogs.database import DatabaseCatalog
from dativo_engine.catalogs.rest_transport import CommitRateLimitError
from dativo_engine.errors import (
    AuthenticationError,
    CommitConflictError,
    CommitStateUnknownError,
    RateLimitError,
)
from dativo_engine.maintenance.rollback import roll_back
from dativo_engine.storage.fileio import StorageFile
from dativo_engine.storage.local import LocalFiles
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.io import OutputStream
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.types import StringType


def staged(job: ResolvedJob, run_id: str, rows: list[tuple[int, str]]) -> Run:
    """A run up to just before publish."""
    run = Run(job, run_id)
    run.committer.last()
    run.stage(rows)
    return run


def test_of_two_runs_from_one_stamp_one_lands_and_the_other_is_told(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    first, second = staged(job, "r2", [(2, "b")]), staged(job, "r3", [(2, "b")])
    first.publish(at=2)
    with pytest.raises(CommitConflictError, match="committed first"):
        second.publish(at=2)
    second.committer.abandon()
    assert stored_rows(job) == [(1, "a"), (2, "b")]
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == 2


def test_of_two_first_runs_one_creates_the_table_and_the_other_is_told(job: ResolvedJob):
    first, second = staged(job, "r1", [(1, "a")]), staged(job, "r2", [(1, "a")])
    first.publish(at=1)
    with pytest.raises(CommitConflictError):
        second.publish(at=1)
    second.committer.abandon()
    assert stored_rows(job) == [(1, "a")]


def test_two_jobs_may_create_one_table_at_once(tmp_path: Path):
    one, other = make_job(tmp_path, name="one"), make_job(tmp_path, name="other")
    first, second = staged(one, "r1", [(1, "a")]), staged(other, "r2", [(2, "b")])
    first.publish(at=1)
    second.publish(at=7)
    assert stored_rows(one) == [(1, "a"), (2, "b")]
    assert (cursor_of(one), cursor_of(other)) == (1, 7)


def test_another_engines_commit_between_is_kept_and_built_upon(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    run = staged(job, "r2", [(3, "c")])
    stored(job).append(
        pa.table([[2], ["b"]], schema=pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string())]))
    )
    run.publish(at=2)
    assert stored_rows(job) == [(1, "a"), (2, "b"), (3, "c")]
    assert cursor_of(job) == 2


def test_keys_that_another_engine_added_meanwhile_send_the_run_back_to_plan(keyed_job: ResolvedJob):
    load(keyed_job, "r1", [(1, "a")], at=1)
    run, harmless = staged(keyed_job, "r2", [(2, "b")]), pa.schema([pa.field("id", pa.int64(), nullable=False)])
    stored(keyed_job).append(pa.table({"id": [2]}, schema=harmless))
    with pytest.raises(CommitConflictError, match="same keys"):
        run.publish(at=2)
    run.committer.abandon()


def test_keys_that_came_back_by_a_roll_forward_meanwhile_send_the_run_back_to_plan(tmp_path: Path):
    job, other = make_job(tmp_path, keyed=True), make_job(tmp_path, name="other", keyed=True)
    load(job, "r1", [(1, "a")], at=1)
    before = stored(job).metadata.current_snapshot_id
    load(other, "r2", [(2, "b")], at=1)
    after = stored(job).metadata.current_snapshot_id
    assert before is not None
    assert after is not None
    roll_back(job, ORDERS, before, present=after, events=Events())
    run = staged(job, "r3", [(2, "again")])
    roll_back(job, ORDERS, after, present=before, events=Events())
    with pytest.raises(CommitConflictError, match="same keys"):
        run.publish(at=2)
    run.committer.abandon()
    assert stored_rows(job) == [(1, "a"), (2, "b")]


def test_keys_that_were_there_and_came_to_lie_in_another_manifest_do_not(keyed_job: ResolvedJob):
    load(keyed_job, "r1", [(1, "a"), (5, "e")], at=1)
    run = staged(keyed_job, "r2", [(1, "late"), (2, "b")])
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])
    table = stored(keyed_job)
    with table.transaction() as merging:
        merging.set_properties({"commit.manifest.min-count-to-merge": "1"})
        merging.append(pa.table({"id": [7]}, schema=schema))
    assert len(stored(keyed_job).inspect.manifests()) == 1
    run.publish(at=2)
    assert [row[0] for row in stored_rows(keyed_job)] == [1, 2, 5, 7]


def test_other_keys_that_were_added_meanwhile_do_not(keyed_job: ResolvedJob):
    load(keyed_job, "r1", [(1, "a")], at=1)
    run, schema = staged(keyed_job, "r2", [(2, "b"), (9, "i")]), pa.schema([pa.field("id", pa.int64(), nullable=False)])
    stored(keyed_job).append(pa.table({"id": [5]}, schema=schema))
    run.publish(at=2)
    assert [row[0] for row in stored_rows(keyed_job)] == [1, 2, 5, 9]


def test_a_schema_that_changed_meanwhile_sends_the_run_back_to_plan(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    run = staged(job, "r2", [(2, "b")])
    with stored(job).update_schema() as update:
        update.add_column("extra", StringType())
    with pytest.raises(CommitConflictError, match="schema"):
        run.publish(at=2)
    run.committer.abandon()


class FlakyCatalog(DatabaseCatalog):
    """Loses the answers to its first commits: before they happened, or after."""

    before: int = 0
    after: int = 0
    deaf: bool = False
    meanwhile: list[Callable[[], object]]

    def load_table(self, identifier: object) -> Table:
        if self.deaf:
            raise ConnectionResetError
        return super().load_table(cast("tuple[str, ...]", identifier))

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        if self.before:
            self.before -= 1
            self._let_others_go_on()
            raise CommitStateUnknownException
        answer = super().commit_table(table, requirements, updates)
        if self.after:
            self.after -= 1
            self.deaf = self.after < 0
            self._let_others_go_on()
            raise CommitStateUnknownException
        return answer

    def _let_others_go_on(self) -> None:
        while self.meanwhile:
            self.meanwhile.pop(0)()


def flaky(job: ResolvedJob, *meanwhile: Callable[[], object], before: int = 0, after: int = 0) -> FlakyCatalog:
    """The job's catalogue; what others do `meanwhile` is between the first request and the loss of its answer."""
    catalog = FlakyCatalog("dativo", **open_catalog(job).properties)
    catalog.before, catalog.after, catalog.meanwhile = before, after, list(meanwhile)
    return catalog


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1), (2, 1)])
def test_a_lost_answer_doubles_nothing_and_loses_nothing(job: ResolvedJob, before: int, after: int, first: bool):
    if not first:
        load(job, "r1", [(1, "a")], at=1)
    run = Run(job, "r2", catalog=flaky(job, before=before, after=after))
    run.stage([(2, "b")])
    result = run.publish(at=2)[ORDERS]
    assert stored_rows(job) == ([(2, "b")] if first else [(1, "a"), (2, "b")])
    assert result.status == ("already_committed" if after else "committed")
    assert (result.rows, cursor_of(job)) == (1, 2)
    assert run.events.count("commit_answer_lost") == before + after


def test_when_nobody_answers_any_more_the_files_stay_for_the_next_run_to_judge(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    run = Run(job, "r2", catalog=flaky(job, after=-1))
    run.stage([(2, "b")])
    with pytest.raises(CommitStateUnknownError):
        run.publish(at=2)
    run.committer.abandon()
    assert (stored_rows(job), cursor_of(job)) == ([(1, "a"), (2, "b")], 2)
    assert stored_rows(job) == [(1, "a"), (2, "b")]
    assert list(job.tenant.staged_folder(job.name).glob("*.staged")) == []


MODES: tuple[Mode, ...] = ("append", "merge", "replace")


@pytest.mark.parametrize("mode", MODES)
def test_a_run_whose_answer_was_lost_is_found_below_the_run_that_came_next(tmp_path: Path, mode: Mode):
    job = make_job(tmp_path, mode=mode, keyed=mode == "merge")
    load(job, "r1", [(1, "a")], at=1)
    run = Run(job, "r2", catalog=flaky(job, lambda: load(job, "r3", [(3, "c")], at=3), after=1))
    run.committer.last()
    run.stage([(2, "b")])
    result = run.publish(at=2)[ORDERS]
    run.committer.abandon()
    snapshots = {item.snapshot_id: item for item in stored(job).metadata.snapshots}
    assert (result.status, result.rows, result.stamp.run_id) == ("already_committed", 1, "r3")
    assert result.snapshot_id == snapshots[stored(job).metadata.current_snapshot_id or 0].parent_snapshot_id
    assert stored_rows(job) == ([(3, "c")] if mode == "replace" else [(1, "a"), (2, "b"), (3, "c")])
    assert cursor_of(job) == 3


@pytest.mark.parametrize("first", [True, False])
def test_a_run_whose_request_was_lost_plans_again_when_another_run_came_first(job: ResolvedJob, first: bool):
    if not first:
        load(job, "r1", [(1, "a")], at=1)
    run = Run(job, "r2", catalog=flaky(job, lambda: load(job, "r3", [(2, "b")], at=2), before=1))
    run.committer.last()
    run.stage([(2, "b")])
    with pytest.raises(CommitConflictError, match="committed first"):
        run.publish(at=2)
    run.committer.abandon()
    assert stored_rows(job) == ([(2, "b")] if first else [(1, "a"), (2, "b")])
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == (1 if first else 2)


def expire_all_but_the_last(job: ResolvedJob) -> None:
    table = stored(job)
    old = [item.snapshot_id for item in table.metadata.snapshots if item != table.current_snapshot()]
    table.maintenance.expire_snapshots().by_ids(old).commit()


@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1)])
def test_where_snapshots_expired_meanwhile_the_files_stay_for_the_next_run_to_judge(
    job: ResolvedJob, before: int, after: int
):
    load(job, "r1", [(1, "a")], at=1)
    others = [(lambda number=number: load(job, f"r{number}", [(number, "x")], at=number)) for number in (3, 4)]
    catalog = flaky(job, *others, lambda: expire_all_but_the_last(job), before=before, after=after)
    run = Run(job, "r2", catalog=catalog)
    run.committer.last()
    run.stage([(2, "b")])
    with pytest.raises(CommitStateUnknownError, match=r"acme\.orders.*lost"):
        run.publish(at=2)
    run.committer.abandon()
    landed = [(2, "b")] if after else []
    assert stored_rows(job) == [(1, "a"), *landed, (3, "x"), (4, "x")]
    load(job, "r5", [(5, "e")], at=5)
    assert stored_rows(job) == [(1, "a"), *landed, (3, "x"), (4, "x"), (5, "e")]
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == 4 + len(landed)


@pytest.mark.parametrize("after", [0, 1])
def test_what_fails_after_a_lost_answer_deletes_no_file_of_a_request_that_may_still_land(
    job: ResolvedJob, monkeypatch: pytest.MonkeyPatch, after: int
):
    load(job, "r1", [(1, "a")], at=1)
    catalog = flaky(job, before=1 - after, after=after)
    run = Run(job, "r2", catalog=catalog)
    run.committer.last()
    run.stage([(2, "b")])

    def refused(_: object) -> Table:
        message = "the catalogue refused the credentials"
        raise AuthenticationError(message)

    catalog.meanwhile.append(lambda: monkeypatch.setattr(catalog, "load_table", refused))
    with pytest.raises(CommitStateUnknownError, match="refused the credentials"):
        run.publish(at=2)
    run.committer.abandon()
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == 2
    assert stored_rows(job) == [(1, "a"), *([(2, "b")] if after else [])]


def test_where_the_next_try_fails_the_request_on_its_way_may_still_come(
    job: ResolvedJob, monkeypatch: pytest.MonkeyPatch
):
    load(job, "r1", [(1, "a")], at=1)
    catalog = open_catalog(job)
    commit, on_its_way = catalog.commit_table, list[Callable[[], object]]()

    def lose(
        table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        on_its_way.append(partial(commit, table, requirements, updates))
        monkeypatch.setattr(StorageFile, "create", full_disk)
        raise CommitStateUnknownException

    def full_disk(file: StorageFile, overwrite: bool = False) -> OutputStream:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.location)

    catalog.commit_table = lose  # pyright: ignore[reportAttributeAccessIssue] - this object's only
    run = Run(job, "r2", catalog=catalog)
    run.stage([(2, "b")])
    with pytest.raises(CommitStateUnknownError, match="space"):
        run.publish(at=2)
    run.committer.abandon()
    monkeypatch.undo()
    on_its_way[0]()
    assert (stored_rows(job), cursor_of(job)) == ([(1, "a"), (2, "b")], 2)


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (
            CommitFailedException("the table moved to 7"),
            CommitConflictError,
            "lost against other writers; .*moved to 7",
        ),
        (CommitRateLimitError("asked too often: slow down"), RateLimitError, "^asked too often: slow down"),
    ],
)
def test_a_commit_that_is_never_made_says_what_the_catalogue_said_last(
    job: ResolvedJob, monkeypatch: pytest.MonkeyPatch, refusal: Exception, kind: type[Exception], says: str
):
    def refuse(*_: object) -> CommitTableResponse:
        raise refusal

    monkeypatch.setattr("dativo_engine.commits.fence.TRIES", 3)
    catalog = open_catalog(job)
    catalog.commit_table = refuse  # pyright: ignore[reportAttributeAccessIssue] - this object's only
    run = Run(job, "r1", catalog=catalog)
    run.stage([(1, "a")])
    with pytest.raises(kind, match=says):
        run.publish(at=1)
    run.committer.abandon()
    assert run.events.count("commit_retry") == 3
    assert not [path for path in job.tenant.warehouse_folder.rglob("*") if path.is_file()]


def test_ten_processes_of_ten_jobs_append_to_one_table_each_row_once(tmp_path: Path):
    tasks = [Task(tmp_path, f"run{number}", [(number, "x")], at=1, name=f"job{number}") for number in range(10)]
    children = [start(task) for task in tasks]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 10
    assert stored_rows(make_job(tmp_path)) == [(number, "x") for number in range(10)]


def test_of_many_processes_of_one_job_one_lands(tmp_path: Path):
    children = [start(Task(tmp_path, f"run{number}", [(1, "x")], at=1)) for number in range(6)]
    for child in children:
        child.join()
    assert {child.exitcode for child in children} <= {0, CONFLICT}
    job = make_job(tmp_path)
    assert stored_rows(job) == [(1, "x")]
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == 1


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_commit_whose_manifests_could_not_be_written_leaves_none(
    job: ResolvedJob, monkeypatch: pytest.MonkeyPatch, fails_at: int
):
    load(job, "r1", [(1, "a")], at=1)
    metadata = job.tenant.warehouse_folder / "acme" / "orders" / "metadata"
    before = set(metadata.iterdir())
    run = staged(job, "r2", [(2, "b")])
    create, made = StorageFile.create, list[str]()

    def fail(file: StorageFile, overwrite: bool = False) -> OutputStream:
        made.append(file.location)
        if len(made) == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.location)
        return create(file, overwrite)

    with monkeypatch.context() as patch:
        patch.setattr(StorageFile, "create", fail)
        with pytest.raises(OSError, match="space"):
            run.publish(at=2)
    assert len(made) == fails_at
    assert set(metadata.iterdir()) == before
    run.committer.abandon()
    load(job, "r3", [(2, "b")], at=2)
    assert stored_rows(job) == [(1, "a"), (2, "b")]


def test_what_can_not_be_deleted_after_a_merge_landed_fails_neither_it_nor_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(_: LocalFiles, files: object) -> None:
        raise PermissionError(str(files))

    job = make_job(tmp_path, mode="merge", keyed=True)
    load(job, "r1", [(1, "a")], at=1)
    run = staged(job, "r2", [(1, "b"), (2, "c")])
    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "delete", refused)
        run.publish(at=2)
    run.committer.abandon()
    assert run.events.count("leftovers_kept") == 1
    assert stored_rows(job) == [(1, "b"), (2, "c")]
    load(job, "r3", [(3, "d")], at=3)
    assert stored_rows(job) == [(1, "b"), (2, "c"), (3, "d")]
    assert not [path for path in job.tenant.staged_folder(job.name).rglob("*") if path.is_file()]
