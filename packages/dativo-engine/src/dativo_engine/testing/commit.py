"""What every commit must do: each row lands once, with its cursor, or not at all."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from dativo_config.models.job import Mode

from dativo_engine.commits.points import EVERYWHERE, Point
from dativo_engine.errors import (
    AuthenticationError,
    CommitConflictError,
    CommitStateUnknownError,
    ConnectionFailedError,
)
from dativo_engine.interfaces import LateRows
from dativo_engine.testing.capabilities import Capability, must
from dativo_engine.testing.commit_run import CommitRun, Task, load, run, run_in_child
from dativo_engine.testing.commit_world import CUSTOMERS, ORDERS, CommitWorld, LostAnswers, Row

BOTH = (ORDERS, CUSTOMERS)
REFUSED = AuthenticationError("the catalogue refuses the credentials (401)")
UNREACHED = ConnectionFailedError("the catalogue can't be reached")
POINTS = [point for point in EVERYWHERE if point != "between_tables"]


class CommitConformance:
    """The checks of one committer over one catalogue, by default those of this package."""

    def open_world(self, folder: Path) -> CommitWorld:
        """The project and the catalogue. `folder` is empty and the check's own."""
        return CommitWorld(folder)

    @pytest.fixture
    def world(self, tmp_path: Path) -> CommitWorld:
        """The check's own world."""
        return self.open_world(tmp_path)

    def capabilities(self) -> frozenset[Capability]:
        """A commit can do all that is asked of one."""
        return frozenset()

    @must("C-01")
    def test_last_tells_the_stamp_of_the_run_that_landed(self, world: CommitWorld) -> None:
        job = world.job()
        assert CommitRun(world, job, "r1").stamps == {ORDERS: None}
        load(world, job, "r1", [(1, "a")], at=1)
        stamp = CommitRun(world, job, "r2").stamps[ORDERS]
        assert stamp is not None
        assert (stamp.run_id, stamp.job, stamp.tenant) == ("r1", job.name, "acme")
        assert {name: cursor.value for name, cursor in stamp.cursors.items()} == {"orders": {"at": 1}}

    @must("C-02")
    def test_nothing_is_visible_before_publish(self, world: CommitWorld) -> None:
        job = world.job()
        first = CommitRun(world, job, "r1")
        first.stage([(1, "a")])
        assert world.table() is None
        first.publish(at=1)
        second = CommitRun(world, job, "r2")
        second.stage([(2, "b")])
        assert world.rows() == [(1, "a")]
        second.committer.abandon()

    @must("C-03")
    def test_append_adds_rows(self, world: CommitWorld) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        load(world, job, "r2", [(1, "a"), (2, "b")], at=2)
        assert world.rows() == [(1, "a"), (1, "a"), (2, "b")]

    @must("C-04")
    def test_replace_leaves_the_runs_rows_only(self, world: CommitWorld) -> None:
        job = world.job(mode="replace")
        load(world, job, "r1", [(1, "a"), (2, "b")], at=1)
        load(world, job, "r2", [(3, "c")], at=2)
        assert world.rows() == [(3, "c")]

    @must("C-05")
    def test_merge_keeps_the_last_change_of_each_key(self, world: CommitWorld) -> None:
        job = world.job(mode="merge")
        load(world, job, "r1", [(1, "a"), (2, "b"), (3, "c")], at=1)
        changes = CommitRun(world, job, "r2")
        changes.stage([(2, "once"), (2, "twice"), (4, "d")], deletes=[3])
        changes.publish(at=2)
        assert world.rows() == [(1, "a"), (2, "twice"), (4, "d")]

    @must("C-06")
    def test_rows_and_cursor_come_in_one_snapshot(self, world: CommitWorld) -> None:
        job = world.job()
        for number in (1, 2):
            result = load(world, job, f"r{number}", [(number, "a")], at=number)
            table = world.table()
            assert table is not None
            assert world.snapshots() == number
            assert result.snapshot_id == table.metadata.current_snapshot_id == result.stamp.snapshot_id
            assert (result.rows, result.status) == (1, "committed")

    @must("C-07")
    def test_a_cursor_that_moves_without_rows_is_committed(self, world: CommitWorld) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        assert CommitRun(world, job, "r2").publish(at=2)[ORDERS].status == "committed"
        assert (world.rows(), world.cursor(job)) == ([(1, "a")], 2)

    @must("C-08")
    def test_where_nothing_moves_nothing_is_committed(self, world: CommitWorld) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        assert CommitRun(world, job, "r2").publish(at=1)[ORDERS].status == "unchanged"
        assert world.snapshots() == 1

    @must("C-09")
    def test_every_table_of_the_job_gets_its_rows_and_its_stamp(self, world: CommitWorld) -> None:
        job = world.job(tables=BOTH)
        both = CommitRun(world, job, "r1")
        both.stage([(1, "a")])
        both.stage([(2, "b")], table=CUSTOMERS)
        both.publish(at=5, tables=BOTH)
        assert (world.rows(), world.rows(CUSTOMERS)) == ([(1, "a")], [(2, "b")])
        assert (world.cursor(job), world.cursor(job, CUSTOMERS)) == (5, 5)

    @must("C-10")
    def test_rejected_rows_are_shown_with_their_runs_rows(self, world: CommitWorld) -> None:
        job = world.job()
        killed = run_in_child(world, Task("r1", [(1, "a")], 1, rejected=["bad"], kill_at="after_quarantine"))
        assert killed == -signal.SIGKILL
        assert (world.rows(), world.rejected(job)) == ([], [])
        run(world, Task("r2", [(1, "a")], 1, rejected=["bad"]))
        assert (world.rows(), world.rejected(job)) == ([(1, "a")], ["bad"])

    @must("C-11")
    def test_a_run_that_is_abandoned_leaves_nothing(self, world: CommitWorld) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        given_up = CommitRun(world, job, "r2")
        given_up.stage([(2, "b")])
        given_up.reject(["bad"])
        given_up.committer.abandon()
        given_up.committer.abandon()
        assert (world.rows(), world.leftovers()) == ([(1, "a")], [])

    @must("C-12")
    @pytest.mark.parametrize("mode", ["append", "merge", "replace"])
    @pytest.mark.parametrize("point", POINTS)
    def test_a_run_that_is_killed_and_run_again_equals_one_without_a_crash(
        self, world: CommitWorld, point: Point, mode: Mode
    ) -> None:
        run(world, Task("r1", [(1, "a")], 1, mode))
        assert run_in_child(world, Task("r2", [(2, "b")], 2, mode, ["bad"], kill_at=point)) == -signal.SIGKILL
        run(world, Task("r3", [(2, "b")], 2, mode, ["bad"]))
        assert world.rows() == ([(2, "b")] if mode == "replace" else [(1, "a"), (2, "b")])
        job = world.job(mode=mode)
        assert (world.cursor(job), world.rejected(job), world.leftovers()) == (2, ["bad"], [])

    @must("C-12")
    def test_a_run_that_is_killed_between_two_tables_goes_on_with_the_second(self, world: CommitWorld) -> None:
        killed = Task("r1", [(1, "a")], 1, tables=BOTH, kill_at="between_tables")
        assert run_in_child(world, killed) == -signal.SIGKILL
        assert (world.rows(), world.rows(CUSTOMERS)) == ([] if world.at_once else [(1, "a")], [])
        run(world, Task("r2", [(1, "a")], 1, tables=BOTH))
        assert (world.rows(), world.rows(CUSTOMERS)) == ([(1, "a")], [(1, "a")])

    @must("C-13")
    @pytest.mark.parametrize("mode", ["append", "merge", "replace"])
    @pytest.mark.parametrize("before", [[(1, "a")], []], ids=["table", "no table"])
    def test_of_two_runs_from_one_stamp_one_lands_and_the_other_is_told(
        self, world: CommitWorld, mode: Mode, before: Sequence[Row]
    ) -> None:
        job = world.job(mode=mode)
        if before:
            load(world, job, "r1", before, at=1)
        first, second = CommitRun(world, job, "r2"), CommitRun(world, job, "r3")
        first.stage([(2, "b")])
        second.stage([(3, "c")])
        first.publish(at=2)
        landed = world.rows()
        with pytest.raises(CommitConflictError):
            second.publish(at=2)
        second.committer.abandon()
        assert (world.rows(), world.leftovers()) == (landed, [])

    @must("C-14")
    @pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1), (1, 1)])
    @pytest.mark.parametrize("mode", ["append", "merge", "replace"])
    def test_a_lost_answer_doubles_nothing_and_loses_nothing(
        self, world: CommitWorld, mode: Mode, before: int, after: int
    ) -> None:
        job = world.job(mode=mode)
        load(world, job, "r1", [(1, "a")], at=1)
        unlucky = CommitRun(world, job, "r2", lost=LostAnswers(before, after))
        unlucky.stage([(2, "b")])
        result = unlucky.publish(at=2)[ORDERS]
        assert result.status in ("committed", "already_committed") if after else result.status == "committed"
        assert world.rows() == ([(2, "b")] if mode == "replace" else [(1, "a"), (2, "b")])
        assert world.cursor(job) == 2

    @must("C-14")
    @pytest.mark.parametrize("mode", ["append", "merge", "replace"])
    @pytest.mark.parametrize("before", [[(1, "a")], []], ids=["table", "no table"])
    def test_a_lost_answer_doubles_nothing_and_loses_nothing_also_when_the_next_run_was_faster(
        self, world: CommitWorld, mode: Mode, before: Sequence[Row]
    ) -> None:
        job = world.job(mode=mode)
        if before:
            load(world, job, "r1", before, at=1)
        lost = LostAnswers(after=1, meanwhile=lambda: load(world, job, "r3", [(3, "c")], at=3))
        unlucky = CommitRun(world, job, "r2", lost=lost)
        unlucky.stage([(2, "b")])
        assert unlucky.publish(at=2)[ORDERS].status in ("committed", "already_committed")
        unlucky.committer.abandon()
        assert world.rows() == ([(3, "c")] if mode == "replace" else [*before, (2, "b"), (3, "c")])
        assert (world.cursor(job), world.leftovers()) == (3, [])

    @must("C-14")
    @pytest.mark.parametrize("mode", ["append", "merge", "replace"])
    @pytest.mark.parametrize(
        "lost",
        [
            pytest.param(lambda: LostAnswers(after=1, look=REFUSED), id="applied, look refused"),
            pytest.param(lambda: LostAnswers(before=1, look=REFUSED), id="on its way, look refused"),
            pytest.param(lambda: LostAnswers(before=1, again=REFUSED), id="on its way, next refused"),
            pytest.param(lambda: LostAnswers(before=1, again=UNREACHED), id="on its way, next not sent"),
        ],
    )
    def test_a_run_that_fails_after_a_lost_answer_leaves_the_files_that_its_request_names(
        self, world: CommitWorld, mode: Mode, lost: Callable[[], LostAnswers]
    ) -> None:
        job, answers = world.job(mode=mode), lost()
        load(world, job, "r1", [(1, "a")], at=1)
        unlucky = CommitRun(world, job, "r2", lost=answers)
        unlucky.stage([(2, "b")])
        with pytest.raises(CommitStateUnknownError):
            unlucky.publish(at=2)
        unlucky.committer.abandon()
        answers.arrive()
        both = [(2, "b")] if mode == "replace" else [(1, "a"), (2, "b")]
        assert (world.rows(), world.cursor(job)) == (both, 2)
        run(world, Task("r3", [(2, "b")], 2, mode))
        assert (world.rows(), world.cursor(job), world.leftovers()) == (both, 2, [])

    @must("C-15")
    def test_a_second_attempt_of_a_run_that_landed_lands_nothing(self, world: CommitWorld) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        again = CommitRun(world, job, "r1", attempt=2)
        again.stage([(1, "a")])
        assert again.publish(at=1)[ORDERS].status == "already_committed"
        assert (world.rows(), world.leftovers()) == ([(1, "a")], [])

    @must("C-16")
    def test_rows_found_bad_at_the_end_do_not_land(self, world: CommitWorld) -> None:
        job = world.job()
        judged = CommitRun(world, job, "r1")
        [file] = judged.stage([(1, "a"), (2, "b"), (3, "c")])
        judged.late.append(LateRows(file.path, pa.array([False, True, False])))
        judged.publish(at=1)
        assert (world.rows(), world.leftovers()) == ([(1, "a"), (3, "c")], [])

    @must("C-17")
    def test_jobs_that_share_a_table_keep_each_others_stamps(self, world: CommitWorld) -> None:
        one, other = world.job(name="one"), world.job(name="other")
        load(world, one, "r1", [(1, "a")], at=1)
        joining = CommitRun(world, other, "r2")
        joining.stage([(2, "b")])
        load(world, one, "r3", [(3, "c")], at=3)
        joining.publish(at=2)
        assert world.rows() == [(1, "a"), (2, "b"), (3, "c")]
        assert (world.cursor(one), world.cursor(other)) == (3, 2)
