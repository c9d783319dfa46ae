"""What runs on Nessie do about each other, about damage, and about what they leave; with real servers."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_engine.catalogs import open_catalog
from dativo_engine.catalogs.nessie_api import NessieApi
from dativo_engine.catalogs.nessie_wire import Branch, Key
from dativo_engine.errors import AuditError, CommitConflictError, CommitStateUnknownError, FatalError
from dativo_engine.maintenance.maintain import maintain, survey
from dativo_engine.maintenance.rollback import current, earlier, roll_back
from dativo_engine.maintenance.work import Kept
from dativo_engine.storage import Storage
from dativo_engine.testing.commit_run import CommitRun, Task, load, run_in_child
from dativo_engine.testing.commit_world import CUSTOMERS, ORDERS, LostAnswers, Silence
from nessie_world import NessieWorld, nessie_world
from typing_extensions import override

from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

# In all; ten at once. `DATIVO_KILLS` asks for the long form, as for the kill tests.
WRITERS = 10
COMMITS = 200 if os.environ.get("DATIVO_KILLS") else 20
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)


@pytest.fixture
def world(tmp_path: Path, nessie: NessieServer, s3: S3Server) -> NessieWorld:
    """A branch and a folder of its own."""
    return nessie_world(tmp_path, nessie, s3)


def test_a_run_whose_file_was_cut_in_the_store_fails_its_audit_and_nothing_is_visible(world: NessieWorld) -> None:
    job = world.job()
    load(world, job, "r1", [(1, "a")], at=1)
    damaged = CommitRun(world, job, "r2")
    [file] = damaged.stage([(2, "b")])
    overwrite(job, file.path, b"PAR1")
    with pytest.raises(AuditError, match="has 4 bytes in the store"):
        damaged.publish(at=2)
    damaged.committer.abandon()
    assert (world.rows(), world.cursor(job), world.leftovers()) == ([(1, "a")], 1, [])


def test_the_full_audit_reads_what_the_run_wrote(world: NessieWorld, tmp_path: Path) -> None:
    job = world.job(mode="merge", audit="full")
    load(world, job, "r1", [(1, "a"), (2, "b")], at=1)
    changed = CommitRun(world, job, "r2")
    changed.stage([(2, "c")], deletes=[1])
    changed.publish(at=2)
    assert world.rows() == [(2, "c")]

    appending = world.job(name="other", audit="full")
    doubled = CommitRun(world, appending, "r3")
    [file] = doubled.stage([(7, "x"), (8, "y")])
    rewritten = tmp_path / "rewritten.parquet"
    stored = pq.read_table(Storage(open_catalog(job).properties).open(file.path))
    pq.write_table(stored.slice(0, 1), rewritten)
    overwrite(appending, file.path, rewritten.read_bytes())
    with pytest.raises(AuditError):
        doubled.publish(at=1)
    doubled.committer.abandon()
    assert world.rows() == [(2, "c")]


def test_ten_writers_at_once_into_one_table_land_each_exactly_once(world: NessieWorld) -> None:
    jobs = [world.job(name=f"writer{number}") for number in range(WRITERS)]
    load(world, world.job(name="first"), "r0", [(0, "first")], at=0)
    rounds = COMMITS // WRITERS

    def write(number: int) -> None:
        for turn in range(rounds):
            row = number * rounds + turn + 1
            load(world, jobs[number], f"w{number}-{turn}", [(row, f"writer {number}")], at=turn)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert [row[0] for row in world.rows()] == list(range(COMMITS + 1))
    assert world.snapshots() == COMMITS + 1
    assert [world.cursor(job) for job in jobs] == [rounds - 1] * WRITERS
    assert world.leftovers() == []


def test_ten_writers_at_once_into_ten_tables_never_begin_anew(world: NessieWorld) -> None:
    heard = Heard()
    world = replace(world, events=heard)
    tables = [TableName(("acme",), f"table{number}") for number in range(WRITERS)]
    jobs = [world.job(name=f"writer{number}", tables=(table,)) for number, table in enumerate(tables)]
    rounds = COMMITS // WRITERS

    def write(number: int) -> None:
        for turn in range(rounds):
            writing = CommitRun(world, jobs[number], f"w{number}-{turn}")
            writing.stage([(turn, f"writer {number}")], table=tables[number])
            writing.publish(at=turn, tables=(tables[number],))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    for number, table in enumerate(tables):
        assert world.rows(table) == [(turn, f"writer {number}") for turn in range(rounds)]
    assert heard.told == Counter(commit_success=COMMITS)


class Heard(Silence):
    """Counts what runs tell."""

    def __init__(self) -> None:
        self.told = Counter[str]()

    @override
    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        self.told[event_type] += 1


def test_two_tables_come_together_though_another_job_writes_to_one_of_them(world: NessieWorld) -> None:
    job = world.job(tables=(ORDERS, CUSTOMERS))
    both = CommitRun(world, job, "r1")
    both.stage([(1, "a")])
    both.stage([(2, "b")], table=CUSTOMERS)
    load(world, world.job(name="other"), "r2", [(3, "c")], at=1)
    both.publish(at=5, tables=(ORDERS, CUSTOMERS))
    newest = next(iter(world.api.history(world.head)))
    assert {table.key[-1] for table in newest.tables} == {"orders", "customers"}
    assert (world.rows(), world.rows(CUSTOMERS)) == ([(1, "a"), (3, "c")], [(2, "b")])


def test_a_merge_that_a_killed_run_asked_for_may_come_after_the_next_run_began(world: NessieWorld) -> None:
    job = world.job()
    load(world, job, "r1", [(1, "a")], at=1)
    assert run_in_child(world, Task("r2", [(2, "b")], 2, kill_at="before_merge")) == -signal.SIGKILL
    [left] = world.api.branches(job.tenant.run_branches(job.name))

    overtaken = CommitRun(world, job, "r3")
    overtaken.stage([(2, "b")])
    world.api.merge(left, world.head, message="It was on its way", properties={})
    assert world.rows() == [(1, "a"), (2, "b")], "its files are there"
    with pytest.raises(CommitConflictError):
        overtaken.publish(at=2)
    overtaken.committer.abandon()
    assert world.cursor(job) == 2
    assert (world.rows(), world.leftovers()) == ([(1, "a"), (2, "b")], [])


def test_once_the_next_run_has_merged_a_merge_of_the_killed_one_is_refused_and_nothing_of_it_stays(
    world: NessieWorld,
) -> None:
    job = world.job()
    load(world, job, "r1", [(1, "a")], at=1)
    assert run_in_child(world, Task("r2", [(2, "b")], 2, kill_at="before_merge")) == -signal.SIGKILL
    [left] = world.api.branches(job.tenant.run_branches(job.name))
    reopened = f"{world.branch}__reopened"
    world.api.ensure(reopened, left)  # as Nessie sees it if it looked the branch up before it was deleted

    load(world, job, "r3", [(2, "b")], at=2)
    assert (world.rows(), world.leftovers()) == ([(1, "a"), (2, "b")], [])
    with pytest.raises(CommitConflictError, match="orders"):
        world.api.merge(Branch(reopened, left.hash), world.head, message="It came late", properties={})


def test_a_run_whose_branch_is_gone_after_a_lost_answer_may_have_been_merged(
    world: NessieWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.job()
    load(world, job, "r1", [(1, "a")], at=1)
    run = CommitRun(world, job, "r2", lost=LostAnswers(after=1))
    run.stage([(2, "b")])
    merge = NessieApi.merge

    def merged_then_deleted(api: NessieApi, source: Branch, into: Branch, **noted: Any) -> tuple[Key, ...]:
        answer = merge(api, source, into, **noted)
        assert api.delete(source)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(NessieApi, "merge", merged_then_deleted)
        with pytest.raises(CommitStateUnknownError, match="not found"):
            run.publish(at=2)
    run.committer.abandon()
    assert (world.rows(), world.cursor(job), world.leftovers()) == ([(1, "a"), (2, "b")], 2, [])


def test_a_table_goes_back_with_its_cursors_and_others_stay(world: NessieWorld) -> None:
    job, other = world.job(), world.job(name="customers_job", tables=(CUSTOMERS,))
    for number in (1, 2, 3):
        load(world, job, f"r{number}", [(number, "a")], at=number)
    staying = CommitRun(world, other, "c1")
    staying.stage([(9, "z")], table=CUSTOMERS)
    staying.publish(at=9, tables=(CUSTOMERS,))

    present = current(job, ORDERS)
    roll_back(job, ORDERS, earlier(job, ORDERS, 2), present=present, events=Silence())
    assert (world.rows(), world.cursor(job), world.rows(CUSTOMERS)) == ([(1, "a")], 1, [(9, "z")])
    with pytest.raises(FatalError, match="0 snapshots at most"):
        earlier(job, ORDERS, 1)
    with pytest.raises(CommitConflictError, match="came meanwhile"):
        roll_back(job, ORDERS, present or 0, present=present, events=Silence())

    load(world, job, "r4", [(2, "again")], at=2)
    assert (world.rows(), world.cursor(job)) == ([(1, "a"), (2, "again")], 2)


def test_maintenance_deletes_what_no_branch_shows_and_leaves_what_one_does(world: NessieWorld) -> None:
    job = world.job(mode="replace")
    for number in (1, 2, 3):
        load(world, job, f"r{number}", [(number, "a")], at=number)
        if number == 2:
            world.api.ensure(f"{world.branch}__kept", world.head)
    lost = f"{world.warehouse}/acme/orders/data/of-nobody.parquet"
    overwrite(job, lost, b"PAR1")

    planned = survey(job, ORDERS, Kept())
    assert planned is not None
    assert planned.orphans == 0, "all of it is young, and within the days that are kept"
    done = maintain(job, ORDERS, Kept(days=0, snapshots=1), Silence(), now=LATER)
    assert done is not None
    assert done.orphans > 0
    assert world.rows() == [(3, "a")]
    kept = NessieWorld(world.root, world.connection, world.warehouse, f"{world.branch}__kept")
    assert kept.rows() == [(2, "a")]
    files = [
        file.location for file in Storage(open_catalog(job).properties).find(f"{world.warehouse}/acme/orders/data")
    ]
    assert len(files) == 2
    assert lost not in files


def overwrite(job: ResolvedJob, location: str, content: bytes) -> None:
    """Put something else in the place of an object."""
    file = Storage(open_catalog(job).properties).create(location)
    file.sink.write(content)
    file.finish()
