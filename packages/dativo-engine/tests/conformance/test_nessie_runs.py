"""What runs on Nessie do about each other, about damage, and about what they leave; with real servers."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from dativo_config.models.job import NessieConnection
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_engine.catalogs import open_catalog
from dativo_engine.catalogs.nessie_api import NessieApi
from dativo_engine.catalogs.nessie_wire import Branch, Commit, Key
from dativo_engine.commits.reachable import Walk
from dativo_engine.errors import AuditError, CommitConflictError, CommitStateUnknownError, FatalError
from dativo_engine.maintenance.maintain import maintain, survey
from dativo_engine.maintenance.rollback import current, earlier, roll_back
from dativo_engine.maintenance.work import Kept
from dativo_engine.storage import Storage, StoredFile
from dativo_engine.testing.commit_run import CommitRun, Task, load, run_in_child
from dativo_engine.testing.commit_world import CUSTOMERS, ORDERS, LostAnswers, Silence
from nessie_world import NessieWorld, nessie_world
from pyiceberg.manifest import ManifestEntry, ManifestFile
from typing_extensions import override

from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

# In all; ten at once. `DATIVO_KILLS` asks for the long form, as for the kill tests.
WRITERS = 10
COMMITS = 200 if os.environ.get("DATIVO_KILLS") else 20
Note = Callable[[str, object], None]
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

    appending = world.job(name="other", tables=(CUSTOMERS,), audit="full")
    doubled = CommitRun(world, appending, "r3")
    [file] = doubled.stage([(7, "x"), (8, "y")], table=CUSTOMERS)
    rewritten = tmp_path / "rewritten.parquet"
    stored = pq.read_table(Storage(open_catalog(job).properties).open(file.path))
    pq.write_table(stored.slice(0, 1), rewritten)
    overwrite(appending, file.path, rewritten.read_bytes())
    with pytest.raises(AuditError):
        doubled.publish(at=1, tables=(CUSTOMERS,))
    doubled.committer.abandon()
    assert (world.rows(), world.rows(CUSTOMERS)) == ([(2, "c")], [])


def test_ten_writers_at_once_into_one_table_land_each_exactly_once(world: NessieWorld, record_property: Note) -> None:
    heard = Heard()
    world = replace(world, events=heard)
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
    assert (heard.told["commit_success"], heard.told["commit_retry"] > 0) == (COMMITS + 1, True)
    record_property("counted", f"commits of {WRITERS} writers into one table|{COMMITS}")
    record_property("counted", f"conflicts of {WRITERS} writers in one table|{heard.told['commit_retry']}")


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
    assert heard.told == Counter(table_ensured=COMMITS, commit_success=COMMITS)


class Heard(Silence):
    """Counts what runs tell."""

    def __init__(self) -> None:
        self.told = Counter[str]()
        self._lock = threading.Lock()

    @override
    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        with self._lock:
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


def test_maintenance_keeps_what_a_tag_shows_cursors_that_jobs_go_on_from_and_what_a_checkpoint_names(
    world: NessieWorld,
) -> None:
    job = world.job(mode="replace")
    long = ["a cursor too long for a stamp"] * 300
    load(world, job, "r1", [(1, "a")], at=[*long, 1])
    tagged = httpx.post(
        f"{world.api.uri}/api/v2/trees",
        params={"name": f"{world.branch}__tag", "type": "TAG"},
        json={"type": "BRANCH", "name": world.branch, "hash": world.head.hash},
    )
    tagged.raise_for_status()
    for number in (2, 3):
        load(world, job, f"r{number}", [(number, "a")], at=[*long, number])
    staged = f"{world.warehouse}/acme/orders/data/r0-00000-staged.parquet"
    overwrite(job, staged, b"PAR1")
    checkpoint = job.tenant.staged_folder(job.name) / "left.checkpoint"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_text(json.dumps({"files": [staged]}))

    maintain(job, ORDERS, Kept(days=0, snapshots=1), Silence(), now=LATER)
    cursors = [file.location for file in files_below(job, f"{world.warehouse}/_dativo")]
    data = [file.location for file in files_below(job, f"{world.warehouse}/acme/orders/data")]
    assert (world.rows(), world.cursor(job)) == ([(3, "a")], [*long, 3])
    with_tag = replace(world, branch=f"{world.branch}__tag")
    assert with_tag.rows() == [(1, "a")]
    assert (len(cursors), len(data), staged in data) == (2, 3, True)


def test_maintenance_deletes_nothing_where_the_owner_said_so(world: NessieWorld) -> None:
    job = world.job(mode="replace")
    job = replace(job, target=replace(job.target, properties={"gc.enabled": "false"}))
    for number in (1, 2):
        load(world, job, f"r{number}", [(number, "a")], at=number)
    before = files_below(job, world.warehouse)
    done = maintain(job, ORDERS, Kept(days=0, snapshots=1), Silence(), now=LATER)
    assert done is not None
    assert (done.orphans, files_below(job, world.warehouse)) == (0, before)


def test_the_way_through_the_branches_passes_no_commit_twice_and_goes_on_past_a_branch_that_is_deleted(
    world: NessieWorld,
) -> None:
    job = world.job()
    for number in (1, 2, 3):
        load(world, job, f"r{number}", [(number, "a")], at=number)
    for number in range(4):
        world.api.ensure(f"{world.branch}__fork{number}", world.head)
    forks = world.api.branches(world.branch)
    assert all(world.api.delete(fork) for fork in forks if fork.name != world.branch)
    asked = Asked(world.nessie)
    walk = Walk(asked, since=dt.datetime.now(dt.UTC) - dt.timedelta(days=7))
    found = walk.states(forks)
    assert len([state for state in found if state.key == ("acme", "orders")]) == 3
    assert asked.walked == [world.head.hash]
    load(world, job, "r4", [(4, "a")], at=4)
    assert len(walk.states([*forks, world.head])) == len(found) + 1
    assert len(asked.walked) == 2


class Asked(NessieApi):
    """Notes whose history was asked for."""

    def __init__(self, connection: NessieConnection) -> None:
        super().__init__(connection)
        self.walked: list[str] = []

    @override
    def history(self, branch: Branch, *, since: dt.datetime | None = None) -> Iterator[Commit]:
        self.walked.append(branch.hash)
        return super().history(branch, since=since)


def test_the_audit_reads_the_manifests_that_the_run_wrote_and_no_others(
    world: NessieWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.job()
    for number in (1, 2, 3):
        load(world, job, f"r{number}", [(number, "a")], at=number)
    fetch, read = ManifestFile.fetch_manifest_entry, list[str]()

    def noted(manifest: ManifestFile, *args: Any, **kwargs: Any) -> list[ManifestEntry]:
        read.append(manifest.manifest_path)
        return fetch(manifest, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(ManifestFile, "fetch_manifest_entry", noted)
        load(world, job, "r4", [(4, "a")], at=4)
    assert len(read) == 1
    assert len(world.rows()) == 4


def test_a_run_that_lives_keeps_its_branch_however_long_ago_it_began(world: NessieWorld) -> None:
    job = world.job()
    long_ago = CommitRun(world, job, "20200101t000000-1c2d3e4f")
    long_ago.stage([(1, "a")])
    branch = job.tenant.run_branch(job.name, long_ago.run_id, 1, 1)
    world.api.ensure(branch, world.head)
    CommitRun(world, job, "r2").committer.abandon()
    assert world.api.branch(branch) is not None
    long_ago.committer.abandon()
    world.api.ensure(branch, world.head)
    CommitRun(world, job, "r3").committer.abandon()
    assert world.api.branch(branch) is None


def files_below(job: ResolvedJob, folder: str) -> list[StoredFile]:
    """What is in the store there."""
    return sorted(Storage(open_catalog(job).properties).find(folder), key=lambda file: file.location)


def overwrite(job: ResolvedJob, location: str, content: bytes) -> None:
    """Put something else in the place of an object."""
    file = Storage(open_catalog(job).properties).create(location)
    file.sink.write(content)
    file.finish()
