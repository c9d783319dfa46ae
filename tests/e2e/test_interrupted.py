"""Runs that are stopped, killed, or run beside each other leave the table as one undisturbed run would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.readers.view import Reader

# CI kills at every one of twenty moments; a short form elsewhere keeps `make test` quick.
MOMENTS = int(os.environ.get("DATIVO_KILL_MOMENTS", "20" if os.environ.get("DATIVO_REQUIRE_SERVICES") == "1" else "4"))
ROWS = 300_000


def wait_for_first_staged_file(project: Project, run: subprocess.Popen[str], before: set[Path]) -> bool:
    """Wait until the run has begun a data file; False: it ended first."""
    while run.poll() is None:
        if project.data_files() - before:
            return True
        time.sleep(0.002)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_2_and_leaves_nothing(
    project: Project, ids_in_table: Callable[[], list[object]], number: signal.Signals
) -> None:
    project.many_orders("day1.csv", 1, 5 * ROWS)
    run = project.start("run", "--config", project.job())
    assert wait_for_first_staged_file(project, run, set())

    run.send_signal(number)
    _, stderr = run.communicate(timeout=60)

    assert run.returncode == 2
    assert '"event_type": "job_error"' in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert ids_in_table() == []
    assert project.data_files() == set()


@pytest.mark.parametrize("slots", [1, 2])
def test_two_runs_of_one_job_at_once_load_each_row_once(
    project: Project, ids_in_table: Callable[[], list[object]], slots: int
) -> None:
    project.many_orders("day1.csv", 1, 1000)
    (project.root / "configs" / "runner.yaml").write_text(
        "runner:\n  mode: oneshot\n  orchestrator:\n    type: dagster\n    schedules: []\n"
        f"    concurrency_per_tenant: {slots}\n"
    )
    job = project.job(append=True)

    runs = [project.start("run", "--config", job, "--wait") for _ in range(2)]
    errors = [run.communicate(timeout=120)[1] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], errors
    assert ids_in_table() == list(range(1, 1001))


def test_a_run_that_may_not_wait_says_who_holds_the_slot(project: Project) -> None:
    project.many_orders("day1.csv", 1, ROWS)
    job = project.job()
    first = project.start("run", "--config", job)
    assert wait_for_first_staged_file(project, first, set())
    first.send_signal(signal.SIGSTOP)

    second = project.dativo("run", "--config", job, "--no-wait")
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=60)

    assert first.returncode == 0
    assert second.exit_code == 2
    assert f"process {first.pid}" in str(second.events[-1]["message"])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("append", [True, False], ids=["append", "replace"])
def test_a_killed_run_and_a_second_one_equal_a_run_without_a_crash(
    project: Project, pyiceberg_reader: Reader, append: bool
) -> None:
    project.many_orders("day1.csv", 1, 1000)
    job = project.job(append=append)
    assert project.dativo("run", "--config", job).exit_code == 0
    project.many_orders("day2.csv", 1001, ROWS)
    loaded = shutil.copytree(project.root / "state", project.root.parent / "state")
    expected, window = _undisturbed(project, job, pyiceberg_reader)

    moments = random.Random(20_260_101)
    killed = 0
    for _ in range(MOMENTS):
        _restore(project, loaded)
        delay = moments.uniform(0, window)
        killed += _kill(project, job, delay)
        assert project.dativo("run", "--config", job).exit_code == 0
        assert _rows(project, pyiceberg_reader) == expected, f"killed {delay:.3f} s after the first staged file"

    assert killed >= MOMENTS / 2


def _undisturbed(project: Project, job: str, reader: Reader) -> tuple[object, float]:
    """The table that a run without a crash gives, and the seconds from its first staged file to its end."""
    before = project.data_files()
    run = project.start("run", "--config", job)
    assert wait_for_first_staged_file(project, run, before)
    began = time.monotonic()
    run.communicate(timeout=120)
    window = time.monotonic() - began
    assert run.returncode == 0
    return _rows(project, reader), window


def _kill(project: Project, job: str, delay: float) -> bool:
    """Start a run and kill it so long after its first staged file; False: it had ended by then."""
    before = project.data_files()
    run = project.start("run", "--config", job)
    assert wait_for_first_staged_file(project, run, before)
    time.sleep(delay)
    run.kill()
    run.communicate(timeout=60)
    return run.returncode == -signal.SIGKILL


def _restore(project: Project, loaded: Path) -> None:
    shutil.rmtree(project.root / "state")
    shutil.copytree(loaded, project.root / "state")


def _rows(project: Project, reader: Reader) -> object:
    location = project.metadata_location()
    assert location is not None
    return reader.read(location)
