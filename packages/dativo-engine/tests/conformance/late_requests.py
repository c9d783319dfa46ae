"""What a run asked for before it ended may be carried out after the next one began, where a catalogue is a server."""

import time

import pytest
from dativo_engine.commits.checkpoint import Checkpoint, Checkpoints, LaneState
from dativo_engine.errors import CommitConflictError, CommitStateUnknownError, FatalError
from dativo_engine.interfaces import Cursor, StagedFile
from dativo_engine.results import Tally
from dativo_engine.testing import CommitWorld
from dativo_engine.testing.commit_run import CommitRun, load
from dativo_engine.testing.commit_world import LostAnswers
from pyiceberg.exceptions import CommitFailedException


def ask_and_end(world: CommitWorld) -> tuple[LostAnswers, list[StagedFile]]:
    """A run that ends with its request for a commit of row 2 on its way."""
    answers = LostAnswers(before=1, look=FatalError("nobody answers"))
    ended = CommitRun(world, world.job(), "r2", lost=answers)
    files = ended.stage([(2, "b")])
    with pytest.raises(CommitStateUnknownError):
        ended.publish(at=2)
    ended.committer.abandon()
    return answers, files


class LateRequests:
    """Checks of a world whose catalogue is a server."""

    @pytest.mark.parametrize("before", [[(1, "a")], []], ids=["table", "no table"])
    def test_a_request_of_a_run_that_is_no_more_may_come_after_the_next_run_began(
        self, world: CommitWorld, before: list[tuple[int, str]]
    ) -> None:
        job = world.job()
        if before:
            load(world, job, "r1", before, at=1)
        answers, _ = ask_and_end(world)
        overtaken = CommitRun(world, job, "r3")
        overtaken.stage([(2, "b")])
        answers.arrive()
        assert world.rows() == [*before, (2, "b")], "its files are there"
        with pytest.raises(CommitConflictError):
            overtaken.publish(at=2)
        overtaken.committer.abandon()
        assert (world.cursor(job), world.rows(), world.leftovers()) == (2, [*before, (2, "b")], [])

    def test_a_run_that_went_on_from_a_checkpoint_leaves_its_files_to_the_request(self, world: CommitWorld) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        answers, files = ask_and_end(world)
        lane = LaneState(tuple(files), (), None, 0, Cursor({"at": 2}))
        Checkpoints(job.tenant.staged_folder(job.name)).save(
            Checkpoint("key", "r2", {"orders": lane}, {}, None, Tally())
        )
        overtaken = CommitRun(world, job, "r3")
        overtaken.committer.stage(files)
        answers.arrive()
        with pytest.raises(CommitConflictError):
            overtaken.publish(at=2)
        overtaken.committer.abandon()
        assert (world.cursor(job), world.rows(), world.leftovers()) == (2, [(1, "a"), (2, "b")], [])

    def test_once_the_next_run_has_committed_the_request_is_refused_and_nothing_of_it_stays(
        self, world: CommitWorld
    ) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        answers, _ = ask_and_end(world)
        load(world, job, "r3", [(2, "b")], at=2)
        assert (world.rows(), world.leftovers()) == ([(1, "a"), (2, "b")], [])
        with pytest.raises(CommitFailedException):
            answers.arrive()
        assert world.rows() == [(1, "a"), (2, "b")]

    def test_what_a_request_needs_stays_no_longer_than_two_runs_may_take(
        self, world: CommitWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = world.job()
        load(world, job, "r1", [(1, "a")], at=1)
        ask_and_end(world)
        CommitRun(world, job, "r3").committer.abandon()
        assert world.leftovers(), "the request may be on its way"
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 2 * job.timeout_seconds + 1)
        CommitRun(world, job, "r4").committer.abandon()
        assert (world.rows(), world.leftovers()) == ([(1, "a")], [])
