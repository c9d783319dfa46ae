"""Maintenance leaves the rows and the cursors as they are, whatever runs beside it, and no file that nobody names."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from commit_deletes import mark_dead
from commit_support import ORDERS, Events, Run, cursor_of, load, make_job, stored, stored_rows
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.fence import Place
from dativo_engine.commits.quarantine import quarantines
from dativo_engine.commits.stamp import standing
from dativo_engine.errors import CommitConflictError
from dativo_engine.maintenance import maintain as maintenance
from dativo_engine.maintenance.compact import compact
from dativo_engine.maintenance.rollback import earlier, roll_back
from dativo_engine.maintenance.work import Kept, Work
from hypothesis import given
from hypothesis import strategies as st

from tests.laws import law

LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
LITTLE = Kept(days=0, snapshots=1, quarantine_days=0)


def maintain(job: ResolvedJob, kept: Kept = LITTLE, now: dt.datetime = LATER) -> Work:
    work = maintenance.maintain(job, ORDERS, kept, Events(), now=now)
    assert work is not None
    return work


def survey(job: ResolvedJob, kept: Kept = LITTLE, now: dt.datetime = LATER) -> Work:
    work = maintenance.survey(job, ORDERS, kept, now=now)
    assert work is not None
    return work


def load_many(job: ResolvedJob, count: int) -> list[tuple[int, str]]:
    for number in range(1, count + 1):
        load(job, f"r{number}", [(number, "x")], at=number)
    return [(number, "x") for number in range(1, count + 1)]


def files_on_disk(job: ResolvedJob) -> set[Path]:
    return {path for path in job.tenant.warehouse_folder.rglob("*") if path.is_file()}


def test_small_files_become_one_and_the_snapshot_says_that_no_row_changed(job: ResolvedJob) -> None:
    rows = load_many(job, 6)
    before = standing(stored(job).metadata)

    work = maintain(job, Kept())

    snapshot = stored(job).metadata.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert (work.small_files, work.into_files, snapshot.summary.operation.value) == (6, 1, "replace")
    assert snapshot.summary.additional_properties["total-records"] == "6"
    assert (stored_rows(job), cursor_of(job), standing(stored(job).metadata)) == (rows, 6, before)
    assert maintain(job, Kept()).small_files == 0
    load(job, "r7", [(7, "x")], at=7)
    assert cursor_of(job) == 7


def test_a_survey_tells_what_would_be_done_and_changes_nothing(job: ResolvedJob) -> None:
    load_many(job, 6)
    before, metadata = files_on_disk(job), stored(job).metadata_location
    told = survey(job)
    assert (files_on_disk(job), stored(job).metadata_location) == (before, metadata)
    assert (told.snapshots, told.small_files, told.into_files) == (5, 6, None)
    done = maintain(job)
    assert (done.snapshots, done.small_files, done.into_files) == (5, 6, 1)


def test_old_snapshots_go_with_the_files_that_only_they_named_and_the_cursor_stays(tmp_path: Path) -> None:
    job = make_job(tmp_path, mode="replace")
    for number in range(1, 5):
        load(job, f"r{number}", [(number, "x")], at=number)
    before = len(files_on_disk(job))

    assert maintain(job, Kept(days=7, snapshots=2)).snapshots == 2

    assert len(stored(job).metadata.snapshots) == 2
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == 2
    assert len(files_on_disk(job)) < before
    assert (stored_rows(job), cursor_of(job)) == ([(4, "x")], 4)


def test_young_snapshots_and_those_that_a_run_may_still_read_stay(job: ResolvedJob) -> None:
    load_many(job, 4)
    assert maintain(job, Kept(days=7, snapshots=1), now=dt.datetime.now(dt.UTC)).snapshots == 0
    assert maintain(job, LITTLE, now=dt.datetime.now(dt.UTC)).snapshots == 0


def test_the_cursor_stays_when_every_dativo_snapshot_expires(job: ResolvedJob) -> None:
    load_many(job, 2)
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string())])
    stored(job).append(pa.table([[9], ["other"]], schema=schema))
    maintain(job)
    assert len(stored(job).metadata.snapshots) == 1
    assert cursor_of(job) == 2


def test_a_stamp_that_another_engine_rolled_back_does_not_come_back_when_its_snapshot_expires(
    job: ResolvedJob,
) -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string())])
    load(job, "r1", [(1, "x")], at=1)
    stored(job).append(pa.table([[9], ["other"]], schema=schema))
    middle = stored(job).metadata.current_snapshot_id
    assert middle is not None
    load(job, "r2", [(2, "x")], at=2)
    stored(job).manage_snapshots().rollback_to_snapshot(middle).commit()
    assert cursor_of(job) == 1

    maintain(job)

    assert [item.snapshot_id for item in stored(job).metadata.snapshots] == [middle]
    assert cursor_of(job) == 1


def test_dead_rows_are_left_out_of_the_new_files(job: ResolvedJob) -> None:
    load(job, "r1", [(1, "a"), (2, "b"), (3, "c")], at=1)
    mark_dead(stored(job), [0, 2])
    assert stored_rows(job) == [(2, "b")]

    work = maintain(job, Kept())

    assert (work.small_files, work.into_files) == (1, 1)
    assert (stored_rows(job), cursor_of(job)) == ([(2, "b")], 1)
    assert [task.delete_files for task in stored(job).scan().plan_files()] == [set()]
    assert maintain(job, Kept()).small_files == 0


def test_a_file_of_dead_rows_only_goes(job: ResolvedJob) -> None:
    load(job, "r1", [(1, "a")], at=1)
    mark_dead(stored(job), [0])
    assert maintain(job, Kept()).into_files == 0
    assert (stored_rows(job), cursor_of(job)) == ([], 1)


def test_files_that_nothing_names_go_and_others_stay(job: ResolvedJob) -> None:
    load_many(job, 2)
    root = job.tenant.warehouse_folder / "acme" / "orders"
    lost = [root / "data" / "r0-lost.parquet", root / "metadata" / "lost.avro", root / "data" / ".x.parquet.draft"]
    cursor = job.tenant.warehouse_folder / "_dativo" / "acme" / job.name / ("0" * 64 + ".json")
    notes = root / "data" / "README.txt"
    for path in (*lost, cursor, notes):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    living = Run(job, "r3")
    living.committer.last()
    living.stage([(3, "x")])

    told, done = survey(job), maintain(job)

    assert (told.orphans, done.orphans) == (4, 4)
    assert not any(path.exists() for path in (*lost, cursor))
    assert notes.exists()
    living.publish(at=3)
    assert stored_rows(job) == [(1, "x"), (2, "x"), (3, "x")]


def test_files_and_cursors_of_a_table_that_lies_inside_of_another_ones_folder_stay(tmp_path: Path) -> None:
    inner = TableName(("acme", "orders"), "data")
    job = make_job(tmp_path, tables=(ORDERS, inner))
    for number, table in enumerate((ORDERS, inner, inner)):
        run = Run(job, f"r{number}")
        run.committer.last()
        run.stage([(number, "x")], table=table)
        run.publish(at=[number] * 3000, tables=(table,))
    before = files_on_disk(job)
    assert maintain(job, Kept(snapshots=9)).orphans == 0
    assert files_on_disk(job) == before
    assert stored_rows(job, inner) == [(1, "x"), (2, "x")]


def test_young_files_that_nothing_names_stay(job: ResolvedJob) -> None:
    load_many(job, 1)
    young = job.tenant.warehouse_folder / "acme" / "orders" / "data" / "young.parquet"
    young.write_text("x")
    assert maintain(job, now=dt.datetime.now(dt.UTC)).orphans == 0
    assert young.exists()


def test_a_cursor_object_stays_as_long_as_a_kept_snapshot_names_it(job: ResolvedJob) -> None:
    for number in range(1, 4):
        load(job, f"r{number}", [(number, "x")], at=[number] * 3000)
    folder = job.tenant.warehouse_folder / "_dativo" / "acme" / job.name
    assert len(list(folder.iterdir())) == 3
    maintain(job, Kept(days=0, snapshots=2))
    assert len(list(folder.iterdir())) == 2
    roll_back_steps(job, 1)
    assert cursor_of(job) == [2] * 3000


def test_rejected_rows_go_when_they_were_kept_long_enough(job: ResolvedJob) -> None:
    run = Run(job, "r1")
    run.stage([(1, "x")])
    run.reject(["bad"])
    run.publish(at=1)
    kept = Kept(quarantine_days=365 * 100)
    assert (survey(job, kept).rejected_rows, maintain(job, kept).rejected_rows) == (0, 0)
    assert (survey(job).rejected_rows, maintain(job).rejected_rows) == (1, 1)
    assert quarantines(job)[0].runs() == []


def test_what_a_merge_or_replace_took_away_meanwhile_stays_away(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    load_many(job, 6)
    replacing = make_job(tmp_path, mode="replace")
    place = Overtaken(open_catalog(job), ORDERS, lambda: load(replacing, "r7", [(7, "y")], at=7))

    done = compact(job, place, Events(), memory_bytes=1 << 26)

    assert (done.before, done.after) == (0, 0)
    assert (stored_rows(job), cursor_of(job)) == ([(7, "y")], 7)
    files = list(job.tenant.warehouse_folder.rglob("maintain-*.parquet"))
    assert files == []


def test_an_append_that_lands_meanwhile_is_kept_beside_the_compacted_files(job: ResolvedJob) -> None:
    rows = load_many(job, 6)
    place = Overtaken(open_catalog(job), ORDERS, lambda: load(job, "r7", [(7, "y")], at=7))
    done = compact(job, place, Events(), memory_bytes=1 << 26)
    assert (done.before, done.after) == (6, 1)
    assert (stored_rows(job), cursor_of(job)) == ([*rows, (7, "y")], 7)


class Overtaken(Place):
    """A table to which another commit comes between the plan and the commit of its maintenance."""

    def __init__(self, catalog: object, name: object, commit: object) -> None:
        super().__init__(catalog, name)  # pyright: ignore[reportArgumentType]
        object.__setattr__(self, "loads", [None, commit])

    def load(self) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        loads = self.loads  # pyright: ignore[reportAttributeAccessIssue]
        due = loads.pop(0) if loads else None
        if due is not None:
            due()
        return super().load()


def roll_back_steps(job: ResolvedJob, steps: int) -> None:
    present = stored(job).metadata.current_snapshot_id
    roll_back(job, ORDERS, earlier(job, ORDERS, steps), present=present, events=Events())


@pytest.mark.parametrize("elsewhere", [False, True], ids=["by dativo", "by another engine"])
def test_rolled_back_three_snapshots_and_run_again_the_table_is_right(job: ResolvedJob, elsewhere: bool) -> None:
    rows = load_many(job, 5)
    target = earlier(job, ORDERS, 3)
    if elsewhere:
        stored(job).manage_snapshots().rollback_to_snapshot(target).commit()
    else:
        roll_back_steps(job, 3)
    assert (stored_rows(job), cursor_of(job)) == (rows[:2], 2)
    load(job, "r6", rows[2:], at=5)
    assert (stored_rows(job), cursor_of(job)) == (rows, 5)


def test_a_rollback_can_be_taken_back_until_maintenance_expires_it(job: ResolvedJob) -> None:
    rows = load_many(job, 3)
    newest = stored(job).metadata.current_snapshot_id
    assert newest is not None
    roll_back_steps(job, 2)
    present = stored(job).metadata.current_snapshot_id
    roll_back(job, ORDERS, newest, present=present, events=Events())
    assert (stored_rows(job), cursor_of(job)) == (rows, 3)


def test_a_rollback_does_not_take_what_came_since_it_was_decided(job: ResolvedJob) -> None:
    load_many(job, 2)
    seen, target = stored(job).metadata.current_snapshot_id, earlier(job, ORDERS, 1)
    load(job, "r3", [(3, "x")], at=3)
    with pytest.raises(CommitConflictError, match="another commit came"):
        roll_back(job, ORDERS, target, present=seen, events=Events())
    assert cursor_of(job) == 3


def test_a_run_in_flight_when_a_rollback_comes_is_planned_again(job: ResolvedJob) -> None:
    load_many(job, 2)
    run = Run(job, "r3")
    run.committer.last()
    run.stage([(3, "x")])
    roll_back_steps(job, 1)
    with pytest.raises(CommitConflictError):
        run.publish(at=3)
    run.committer.abandon()
    assert (stored_rows(job), cursor_of(job)) == ([(1, "x")], 1)


Steps = st.lists(st.sampled_from(["begin a", "begin b", "end a", "end b", "maintain", "maintain all"]), max_size=14)


@law("any interleaving gives what a serial order gives", short=8, share=0.05)
@given(steps=Steps)
def test_any_interleaving_of_an_append_a_merge_and_maintenance_gives_what_the_jobs_alone_would(
    steps: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        append = make_job(Path(folder), name="a", keyed=True)
        merge = make_job(Path(folder), name="b", keyed=True, mode="merge")
        jobs = {"a": append, "b": merge}
        expected = dict.fromkeys(range(6), "first")
        for number, name in expected.items():
            load(append, f"first-{number}", [(number, name)], at=0)
        runs: dict[str, tuple[Run, int, int]] = {}
        for number, step in enumerate(steps, start=10):
            verb, _, name = step.partition(" ")
            if verb == "maintain":
                maintain(append, LITTLE if name else Kept())
            elif verb == "begin" and name not in runs:
                run, key = Run(jobs[name], f"{name}-{number}"), number if name == "a" else number % 6
                run.committer.last()
                run.stage([(key, f"{name}{number}")])
                runs[name] = run, number, key
            elif verb == "end" and name in runs:
                run, begun, key = runs.pop(name)
                run.publish(at=begun)
                expected[key] = f"{name}{begun}"
                assert cursor_of(jobs[name]) == begun
        for run, _, _ in runs.values():
            run.committer.abandon()
        maintain(append)
        assert stored_rows(append) == sorted(expected.items())
        assert survey(append).orphans == 0
