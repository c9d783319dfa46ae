"""`dativo quarantine replay`: mended rows get into the table once, wherever it is killed, and others stay."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable

import pytest

from tests.e2e.project import Finished, Project

Ids = Callable[[], list[object]]
ROWS = [(1, "a", "1.00"), (2, "b", "-5.00"), (3, "c", "-99.00")]


def load_with_bad_rows(project: Project, *, append: bool = True) -> str:
    project.orders("day1.csv", ROWS)
    job = project.job(append=append, extra="schema_validation_mode: warn\n")
    assert project.dativo("run", "--config", job).exit_code == 1
    return job


def allow_down_to(project: Project, least: int) -> None:
    contract = project.root / "assets" / "orders.yaml"
    contract.write_text(re.sub(r"minimum: -?\d+", f"minimum: {least}", contract.read_text()))


def in_quarantine(project: Project, job: str) -> list[object]:
    (found,) = json.loads(project.dativo("quarantine", "show", "--config", job, "--json").stdout)
    return sorted(json.loads(row["record"])["id"] for row in found["rows"])


def replay(project: Project, job: str, *more: str, kill_at: str = "") -> Finished:
    environment = {"DATIVO_TEST_KILL_AT": kill_at}
    return project.dativo("quarantine", "replay", "--config", job, "--json", *more, environment=environment)


@pytest.mark.parametrize("append", [True, False], ids=["append", "replace"])
def test_mended_rows_land_the_others_stay_and_the_cursor_does_not_move(
    project: Project, ids_in_table: Ids, append: bool
) -> None:
    job = load_with_bad_rows(project, append=append)
    allow_down_to(project, -10)

    first = replay(project, job)

    assert first.exit_code == 1
    assert (first.result["rows_read"], first.result["rows_accepted"], first.result["rows_rejected"]) == (2, 1, 1)
    assert ids_in_table() == [1, 2]
    assert in_quarantine(project, job) == [3]
    allow_down_to(project, -100)
    assert replay(project, job).exit_code == 0
    assert (ids_in_table(), in_quarantine(project, job)) == ([1, 2, 3], [])
    assert replay(project, job).result["rows_read"] == 0
    assert project.dativo("run", "--config", job).exit_code == 0
    assert ids_in_table() == [1, 2, 3]


@pytest.mark.parametrize("point", ["after_quarantine", "before_commit", "after_commit", "before_mirror"])
def test_a_replay_killed_anywhere_and_run_again_lands_each_row_once(
    project: Project, ids_in_table: Ids, point: str
) -> None:
    job = load_with_bad_rows(project)
    (found,) = json.loads(project.dativo("quarantine", "show", "--config", job, "--json").stdout)
    name = found["runs"][0]["name"]
    allow_down_to(project, -10)

    assert replay(project, job, "--run", name, kill_at=point).exit_code == -signal.SIGKILL
    again = replay(project, job, "--run", name)

    assert again.exit_code in (0, 1), again.stderr
    assert ids_in_table() == [1, 2]
    assert in_quarantine(project, job) == [3]


def test_a_run_that_never_was_is_refused(project: Project) -> None:
    job = load_with_bad_rows(project)
    answer = replay(project, job, "--run", "never/1")
    assert answer.exit_code == 2
    assert "never/1: no such run in quarantine" in str(answer.result["error"])
