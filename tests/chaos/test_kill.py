"""`kill -9` anywhere, then a run again: table, quarantine and the next run are those of a run without a crash."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence

import pytest
from dativo_engine.commits.points import EVERYWHERE, VARIABLE, Point

from tests.chaos.moments import choose, milestones, phase
from tests.chaos.scenes import SCENES
from tests.chaos.stage import Stage

# `make test-kill` asks for 500; without that, 20 on append and replace and one on each of the others.
KILLS = int(os.environ.get("DATIVO_KILLS", "0"))
SHORT = {"append": 10, "replace": 10}
# With tables in S3 a run takes longer; these are the points between which something is there that was not before.
SHORT_POINTS: Sequence[Point] = ("before_quarantine", "before_commit", "after_commit")
IN_A_LOT = 9
Note = Callable[[str, object], None]


def lots() -> Iterator[tuple[str, int, int]]:
    """The random kills of each scene, in lots that two processes can share."""
    for number, name in enumerate(SCENES):
        extra = number < KILLS % len(SCENES)
        wanted = KILLS // len(SCENES) + extra if KILLS else SHORT.get(name, 1)
        for begin in range(0, wanted, IN_A_LOT):
            yield name, begin, min(IN_A_LOT, wanted - begin)


@pytest.mark.parametrize(
    ("name", "point"),
    [
        (name, point)
        for name, scene in SCENES.items()
        for point in EVERYWHERE
        if (point != "between_tables" or len(scene.objects) > 1)
        and (KILLS or not scene.in_s3 or (point in SHORT_POINTS and not scene.resumes))
    ],
)
def test_killed_at_a_named_point(
    stage_of: Callable[[str], Stage], record_property: Note, name: str, point: str
) -> None:
    stage = stage_of(name)
    steps = stage.undisturbed.steps
    stage.restore()
    child = stage.start(environment={VARIABLE: point})
    assert child.finish() == -signal.SIGKILL
    record_property("killed", f"at named points|{name}|{phase(child.marks, steps)}")
    stage.prove(f"killed at {point}")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "seed", "kills"), list(lots()))
def test_killed_at_a_random_moment(
    stage_of: Callable[[str], Stage], record_property: Note, name: str, seed: int, kills: int
) -> None:
    stage = stage_of(name)
    steps = stage.undisturbed.steps
    chance = random.Random(f"{name} {seed}")
    done = 0
    for _ in range(20 * kills):
        moment = choose(steps, chance)
        stage.restore()
        child = stage.start()
        if child.hear(moment.steps):
            child.wait(moment.seconds)
        if not child.kill():
            continue  # it was faster
        where = phase(child.marks, steps)
        record_property("killed", f"at random moments|{name}|{where}")
        stage.prove(f"killed {moment.seconds * 1000:.1f} ms after step {moment.steps}, {where}")
        done += 1
        if done == kills:
            break
    assert done == kills, "runs were over before they could be killed"
    for table in () if stage.scene.in_s3 else stage.undisturbed.seen.tables:
        assert stage.tables.rows_in_duckdb(table).equals(stage.tables.rows(table))


@pytest.mark.parametrize("steps_after", [3, 4, 5])
@pytest.mark.parametrize("name", ["checkpoints", "checkpoints in S3"])
def test_killed_while_a_checkpoint_is_written(stage_of: Callable[[str], Stage], name: str, steps_after: int) -> None:
    stage = stage_of(name)
    staged, _, _ = milestones(stage.undisturbed.steps)
    stage.restore()
    assert stage.start(dies_at=staged + steps_after).finish() == -signal.SIGKILL
    stage.prove(f"killed {steps_after} steps after the first staged file")


@pytest.mark.skipif(not KILLS, reason="takes minutes; `make test-kill` does it")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("turn", range(4))
def test_killed_before_every_step_that_would_outlive_the_run(
    stage_of: Callable[[str], Stage], record_property: Note, name: str, turn: int
) -> None:
    stage = stage_of(name)
    steps = stage.undisturbed.steps
    for number in range(1 + turn, len(steps) + 1, 4):
        stage.restore()
        child = stage.start(dies_at=number)
        if child.finish() != -signal.SIGKILL:
            break  # this run took fewer steps
        record_property("killed", f"before every step|{name}|{phase(child.marks, steps)}")
        stage.prove(f"killed before step {number}")
