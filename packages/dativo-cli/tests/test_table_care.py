"""`dativo table rollback` and `table maintain` as a user calls them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from .conftest import JOB, ORDERS, Project


def load_days(project: Project, count: int) -> None:
    """Load the orders that come with the project, then one more a day, each with a run of its own."""
    header = Path(ORDERS).read_text().splitlines()[0]
    assert project.dativo("run", "--config", JOB).code == 0
    for day in range(1, count + 1):
        row = f"{2000 + day},ada,ada@example.com,paid,1.00,2025-04-0{day}T00:00:00Z"
        Path(ORDERS).with_name(f"orders_{day}.csv").write_text(f"{header}\n{row}\n")
        assert project.dativo("run", "--config", JOB).code == 0


def rows(project: Project) -> object:
    shown = project.dativo("table", "show", "--config", JOB, "--json").json
    assert isinstance(shown, dict)
    return shown["rows"]


def test_after_going_back_three_snapshots_the_next_run_loads_what_is_missing_once(project: Project) -> None:
    load_days(project, 3)
    assert rows(project) == 9
    answer = project.child("table", "rollback", "--steps", "3", "--config", JOB)
    assert answer.code == 0, answer.err
    assert rows(project) == 6
    assert project.dativo("run", "--config", JOB).code == 0
    assert rows(project) == 9
    assert project.dativo("state", "show", "--json").json[0]["mirror"] == "same"  # pyright: ignore[reportIndexIssue]


def test_a_snapshot_that_is_not_there_and_too_many_steps_are_refused(project: Project) -> None:
    load_days(project, 1)
    for flags, told in ((("--to", "1"), "no snapshot 1"), (("--steps", "9"), "1 snapshots at most"), ((), "--to")):
        answer = project.dativo("table", "rollback", *flags, "--config", JOB)
        assert answer.code == 2
        assert told in answer.err
    assert rows(project) == 7


def test_maintain_shows_what_it_would_do_and_does_it_with_yes(project: Project) -> None:
    load_days(project, 5)
    before = sorted(Path("state").rglob("*.parquet"))

    (told,) = project.dativo("table", "maintain", "--config", JOB, "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    assert sorted(Path("state").rglob("*.parquet")) == before
    done = project.child("table", "maintain", "--config", JOB, "--yes")

    assert (told["small_files"], told["into_files"], told["snapshots"]) == (5, None, 0)
    assert done.code == 0, done.err
    assert "5, now 1" in done.out
    assert rows(project) == 11
    assert project.dativo("run", "--config", JOB, "--json").json["rows_read"] == 0  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_maintenance_killed_at_its_commit_changes_no_row_and_the_next_run_tidies_up(
    project: Project, point: str
) -> None:
    load_days(project, 5)
    killed = project.child("table", "maintain", "--config", JOB, "--yes", environment={"DATIVO_TEST_KILL_AT": point})
    assert killed.code == -signal.SIGKILL
    assert rows(project) == 11
    assert project.dativo("run", "--config", JOB, "--json").json["rows_read"] == 0  # pyright: ignore[reportIndexIssue]
    written = list(Path("state").rglob("maintain-*.parquet"))
    assert len(written) == (1 if point == "after_commit" else 0)
    assert project.dativo("table", "maintain", "--config", JOB, "--yes").code == 0
    assert rows(project) == 11
