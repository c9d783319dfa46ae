"""Runs whose process is gone: Dagster's launcher does not look after them, so the service does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import dagster as dg
from dativo_engine.events import Events

from dativo_dagster.service.processes import signal_all

# What a run in one of these states needs a process for.
IN_PROGRESS = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
# A run that is being started has told no process yet; Dagster's own time limit for it is longer.
_SECONDS_TO_START = 60.0


@dataclass(frozen=True, slots=True)
class RunInProgress:
    """A run that Dagster holds to be in progress.

    Attributes:
        processes: those it said it is run by, the newest last; empty: none yet.
        since: when its last event was, in seconds since 1970.
    """

    run: dg.DagsterRun
    processes: tuple[int, ...]
    since: float


def runs_in_progress(instance: dg.DagsterInstance) -> Iterator[RunInProgress]:
    """Every run that is being started, is running, or is being stopped."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(IN_PROGRESS))):
        run_id = record.dagster_run.run_id
        entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        processes = [pid for entry in entries if (pid := _process(entry)) is not None]
        yield RunInProgress(record.dagster_run, tuple(processes), record.update_timestamp.timestamp())


def fail_dead_runs(
    instance: dg.DagsterInstance, alive: Callable[[], AbstractSet[int]], events: Events, *, service_starts: bool = False
) -> list[str]:
    """Fail the runs in progress that no live process runs, so that they free their slots and are tried again.

    Args:
        alive: answers the processes that could be running one; asked once the runs are known, as one that begins
            between would seem to have no process.
        service_starts: no process has been started yet, so that there is none to wait for.
    """
    failed: list[str] = []
    known = list(runs_in_progress(instance))
    pids = alive()
    for found in known:
        if any(pid in pids for pid in found.processes):
            continue
        young = time.time() - found.since < _SECONDS_TO_START
        if not found.processes and young and not service_starts:
            continue
        run = instance.get_run_by_id(found.run.run_id)
        if run is None or run.is_finished:
            continue  # it ended while we looked
        what = f"process {found.processes[-1]}" if found.processes else "its process"
        message = f"Run {run.run_id} is over: {what} is gone and told no end. Nothing of it is half-visible."
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message=message)
        else:
            instance.report_run_failed(run, message=message)
        failed.append(run.run_id)
        events.emit("run_lost", message, level="WARNING", dagster_run_id=run.run_id, dagster_job=run.job_name)
    return failed


def end_cancelled_runs(instance: dg.DagsterInstance, orphans: AbstractSet[int]) -> set[int]:
    """Tell runs to end that were cancelled and whose code server, which would tell them, is gone.

    Args:
        orphans: the processes that may be told.

    Returns:
        Those that were: once is enough, the next signal would disturb them at putting things away.
    """
    cancelled = [found for found in runs_in_progress(instance) if found.run.status is dg.DagsterRunStatus.CANCELING]
    told = {pid for found in cancelled for pid in found.processes if pid in orphans}
    signal_all(told, signal.SIGTERM)
    return told


def processes_of_runs(instance: dg.DagsterInstance, alive: AbstractSet[int]) -> set[int]:
    """The live processes that run something now."""
    return {pid for found in runs_in_progress(instance) for pid in found.processes if pid in alive}


def _process(entry: dg.EventLogEntry) -> int | None:
    """The process in Dagster's "Started process for run"; of the steps of a run, too."""
    event = entry.dagster_event
    data = event.engine_event_data if event is not None and event.is_engine_event else None
    pid = data.metadata.get("pid") if data is not None else None
    value = str(pid.value) if pid is not None else ""
    return int(value) if value.isdecimal() and int(value) != os.getpid() else None
