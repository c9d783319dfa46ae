"""Runs whose process is gone are failed; those that go on, or may still begin, are left alone."""

from __future__ import annotations

import io
import os

import dagster as dg
import pytest
from dativo_dagster.service.runs import fail_dead_runs, processes_of_runs
from dativo_engine.events import EventLog

GONE = 2**22 - 7
EVENTS = EventLog(io.StringIO())


@dg.op
def load() -> None: ...


@dg.job
def loading() -> None:
    load()


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """An instance of the test's own."""
    return dg.DagsterInstance.ephemeral()


def run_in(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, process: int | None) -> str:
    """A run in a state, with the event by which its process tells itself."""
    from dagster._core.events import EngineEventData  # Dagster's own run process reports with it

    run = instance.create_run_for_job(loading, status=status)
    if process is not None:
        message = f"Started process for run (pid: {process})."
        instance.report_engine_event(message, run, EngineEventData.in_process(process))
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_whose_process_is_gone_is_failed(instance: dg.DagsterInstance) -> None:
    run_id = run_in(instance, dg.DagsterRunStatus.STARTED, process=GONE)

    assert fail_dead_runs(instance, set[int], EVENTS) == [run_id]
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE
    assert fail_dead_runs(instance, set[int], EVENTS) == []


def test_a_run_that_was_being_cancelled_is_cancelled(instance: dg.DagsterInstance) -> None:
    run_id = run_in(instance, dg.DagsterRunStatus.CANCELING, process=GONE)

    fail_dead_runs(instance, set[int], EVENTS)

    assert status(instance, run_id) is dg.DagsterRunStatus.CANCELED


def test_a_run_that_goes_on_is_left_alone(instance: dg.DagsterInstance) -> None:
    run_id = run_in(instance, dg.DagsterRunStatus.STARTED, process=GONE)

    assert fail_dead_runs(instance, lambda: {GONE}, EVENTS) == []
    assert status(instance, run_id) is dg.DagsterRunStatus.STARTED
    assert processes_of_runs(instance, {GONE, os.getpid()}) == {GONE}


def test_a_process_that_begins_while_runs_are_looked_at_is_no_dead_one(instance: dg.DagsterInstance) -> None:
    first = run_in(instance, dg.DagsterRunStatus.STARTED, process=GONE)

    def alive() -> set[int]:
        run_in(instance, dg.DagsterRunStatus.STARTED, process=GONE + 1)
        return set()

    assert fail_dead_runs(instance, alive, EVENTS) == [first]


def test_a_run_that_is_just_being_started_is_waited_for_but_not_where_the_service_itself_begins(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run_in(instance, dg.DagsterRunStatus.STARTING, process=None)

    assert fail_dead_runs(instance, set[int], EVENTS) == []
    assert fail_dead_runs(instance, set[int], EVENTS, service_starts=True) == [run_id]


def test_finished_runs_are_no_concern(instance: dg.DagsterInstance) -> None:
    run_in(instance, dg.DagsterRunStatus.SUCCESS, process=GONE)

    assert fail_dead_runs(instance, set[int], EVENTS, service_starts=True) == []
