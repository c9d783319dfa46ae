"""Tables in S3 are maintained, rolled back, set and purged as those on a disk are."""

from __future__ import annotations

import datetime as dt
import signal
import uuid
from pathlib import Path

import pytest
from commit_child import start_uploading
from commit_support import ORDERS, Events, Run, cursor_of, load, make_job, stored, stored_rows
from dativo_config.models.job import Connection, Mode, ObjectStore
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog, warehouse_location
from dativo_engine.commits.data_files import referenced_paths
from dativo_engine.commits.quarantine import quarantines
from dativo_engine.commits.replay import open_replay
from dativo_engine.interfaces import Cursor
from dativo_engine.maintenance.maintain import maintain, survey
from dativo_engine.maintenance.rollback import earlier, roll_back
from dativo_engine.maintenance.work import Kept
from dativo_engine.state.stamps import reset, set_cursors, show, take_over
from dativo_engine.storage import Storage
from dativo_engine.storage.upload import PART_BYTES
from pydantic import SecretStr

from tools.services.seaweedfs import S3Server

pytestmark = pytest.mark.xdist_group("s3")
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
LITTLE = Kept(days=0, snapshots=1, quarantine_days=0)


Target = tuple[Connection, str]


@pytest.fixture
def target(s3: S3Server) -> Target:
    """A warehouse in a bucket of the test's own."""
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(bucket)
    store = ObjectStore(
        endpoint=s3.endpoint,
        access_key_id=SecretStr(s3.access_key_id),
        secret_access_key=SecretStr(s3.secret_access_key),
    )
    return Connection(s3=store), f"s3://{bucket}/some/where"


def job_in(
    root: Path, target: Target, *, name: str = "orders_job", mode: Mode = "append", keyed: bool = False
) -> ResolvedJob:
    return make_job(root, name=name, mode=mode, keyed=keyed, connection=target[0], warehouse=target[1])


@pytest.fixture
def job(tmp_path: Path, target: Target) -> ResolvedJob:
    """A job that appends to a table in S3."""
    return job_in(tmp_path, target)


def storage_of(job: ResolvedJob) -> Storage:
    return Storage(open_catalog(job).properties)


def files(job: ResolvedJob, folder: str = "") -> set[str]:
    """The objects below a folder of the warehouse, and uploads that were not finished."""
    return {file.location for file in storage_of(job).find(warehouse_location(job) + folder)}


def put(job: ResolvedJob, name: str) -> str:
    file = storage_of(job).create(f"{warehouse_location(job)}/{name}")
    file.sink.write(b"x")
    file.finish()
    return f"{warehouse_location(job)}/{name}"


def test_small_files_become_one_and_nothing_of_the_old_ones_is_left(job: ResolvedJob) -> None:
    for number in range(1, 7):
        load(job, f"r{number}", [(number, "x")], at=number)
    told = survey(job, ORDERS, LITTLE, now=LATER)
    assert told is not None
    assert (told.snapshots, told.small_files, told.into_files) == (5, 6, None)
    done = maintain(job, ORDERS, LITTLE, Events(), now=LATER)
    assert done is not None
    assert (done.snapshots, done.small_files, done.into_files, done.orphans) == (5, 6, 1, 0)
    maintain(job, ORDERS, LITTLE, Events(), now=LATER)
    assert len(files(job, "/acme/orders/data")) == 1
    assert (stored_rows(job), cursor_of(job)) == ([(number, "x") for number in range(1, 7)], 6)


def test_what_nothing_names_goes_and_what_is_young_or_staged_stays(job: ResolvedJob) -> None:
    load(job, "r1", [(1, "x")], at=1)
    kept = files(job)
    lost = {
        put(job, "acme/orders/data/part=1/r0-lost.parquet"),
        put(job, "acme/orders/metadata/lost.avro"),
        put(job, f"_dativo/acme/{job.name}/{'0' * 64}.json"),
    }
    begun = f"{warehouse_location(job)}/acme/orders/data/r0-begun.parquet"
    storage_of(job).create(begun).sink.write(b"x" * PART_BYTES)
    notes = put(job, "acme/orders/data/README.txt")
    assert files(job) == {*kept, *lost, begun, notes}
    living = Run(job, "r2")
    living.committer.last()
    living.stage([(2, "x")])

    young = maintain(job, ORDERS, Kept(), Events())
    told = survey(job, ORDERS, Kept(), now=LATER)
    done = maintain(job, ORDERS, Kept(), Events(), now=LATER)

    assert young is not None
    assert told is not None
    assert done is not None
    assert (young.orphans, told.orphans, done.orphans) == (0, 4, 4)
    assert not files(job) & {*lost, begun}
    assert notes in files(job)
    living.publish(at=2)
    assert stored_rows(job) == [(1, "x"), (2, "x")]


def test_an_upload_that_a_kill_cut_short_is_aborted_by_the_next_run(job: ResolvedJob) -> None:
    load(job, "r1", [(1, "x")], at=1)
    killed = start_uploading(job, "r2")
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert [file.name for file in storage_of(job).find(warehouse_location(job)) if file.upload] == ["r2-00000.parquet"]
    load(job, "r3", [(2, "x")], at=2)
    assert not [file for file in storage_of(job).find(warehouse_location(job)) if file.upload]
    assert stored_rows(job) == [(1, "x"), (2, "x")]


def test_a_cursor_object_stays_as_long_as_a_kept_snapshot_names_it(job: ResolvedJob) -> None:
    for number in range(1, 4):
        load(job, f"r{number}", [(number, "x")], at=[number] * 3000)
    assert len(files(job, "/_dativo")) == 3
    maintain(job, ORDERS, Kept(days=0, snapshots=2), Events(), now=LATER)
    assert len(files(job, "/_dativo")) == 2
    present = stored(job).metadata.current_snapshot_id
    roll_back(job, ORDERS, earlier(job, ORDERS, 1), present=present, events=Events())
    assert cursor_of(job) == [2] * 3000


def test_a_table_that_is_rolled_back_and_loaded_again_is_right(job: ResolvedJob) -> None:
    rows = [(number, "x") for number in range(1, 5)]
    for row in rows:
        load(job, f"r{row[0]}", [row], at=row[0])
    present = stored(job).metadata.current_snapshot_id
    roll_back(job, ORDERS, earlier(job, ORDERS, 3), present=present, events=Events())
    assert (stored_rows(job), cursor_of(job)) == (rows[:1], 1)
    load(job, "r5", rows[1:], at=4)
    assert (stored_rows(job), cursor_of(job)) == (rows, 4)


def test_the_state_commands_move_the_cursor_in_the_table(tmp_path: Path, target: Target) -> None:
    job = job_in(tmp_path, target)
    load(job, "r1", [(1, "a")], at=1)
    set_cursors(job, ORDERS, {"orders": Cursor({"at": 7})}, Events())
    (found,) = show(job)
    assert (cursor_of(job), found.mirror, found.rows) == (7, "same", 1)
    renamed = job_in(tmp_path, target, name="renamed")
    take_over(renamed, ORDERS, job.name, Events())
    assert cursor_of(renamed) == 7
    reset(renamed, ORDERS, Events())
    assert (cursor_of(renamed), stored_rows(renamed)) == (None, [(1, "a")])


def test_rejected_rows_are_shown_replayed_and_purged(job: ResolvedJob) -> None:
    run = Run(job, "r1")
    run.stage([(1, "ok")])
    run.reject(['{"id": 5, "name": "mended"}', '{"id": 6, "name": "not"}'])
    run.publish(at=1)
    (place,) = quarantines(job)
    assert [shown.rows for shown in place.runs()] == [2]

    replay = open_replay(job)
    replaying = Run(job, "p1", replays=replay.runs)
    replaying.committer.last()
    replaying.stage([(5, "mended")])
    replaying.reject(['{"id": 6, "name": "not"}'])
    replaying.publish(at=1)
    assert (stored_rows(job), [shown.name for shown in place.runs()]) == ([(1, "ok"), (5, "mended")], ["p1/1"])

    assert place.purge(runs=["p1/1"], events=Events()) == 1
    assert place.runs() == []
    maintain(job, ORDERS, LITTLE, Events(), now=LATER)
    maintain(job, ORDERS, LITTLE, Events(), now=LATER)
    assert cursor_of(job) == 1


def test_a_key_that_the_table_holds_is_found_and_its_row_does_not_land(tmp_path: Path, target: Target) -> None:
    job = job_in(tmp_path, target, keyed=True)
    load(job, "r1", [(1, "a"), (2, "b")], at=1)
    run = Run(job, "r2")
    run.committer.last()
    (late,) = run.stage([(2, "again"), (3, "c")])
    assert late.positions.to_pylist() == [0]
    run.publish(at=2)
    assert stored_rows(job) == [(1, "a"), (2, "b"), (3, "c")]


def test_after_any_mode_no_data_file_is_there_that_no_snapshot_names(tmp_path: Path, target: Target) -> None:
    modes: list[Mode] = ["append", "merge", "replace"]
    for mode in modes:
        job = job_in(tmp_path, target, mode=mode, keyed=mode == "merge")
        for number in range(2):
            load(job, f"{mode}-{number}", [(number, mode), (number + 1, mode)], at=[mode, number])
        given_up = Run(job, f"{mode}-given-up")
        given_up.committer.last()
        given_up.stage([(9, "never")])
        given_up.committer.abandon()
    table = stored(job_in(tmp_path, target))
    assert files(job_in(tmp_path, target), "/acme/orders/data") == referenced_paths(table.metadata, table.io)
    assert stored_rows(job_in(tmp_path, target)) == [(1, "replace"), (2, "replace")]
