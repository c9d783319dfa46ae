"""The end of the service: everything stops within the grace time, and nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
import time

import dagster as dg
from dativo_engine.events import EventLog

from dativo_dagster.service import processes
from dativo_dagster.service.aside import aside
from dativo_dagster.service.crew import Crew
from dativo_dagster.service.edge import going_on
from dativo_dagster.service.runs import fail_dead_runs, processes_of_runs

# Of the grace time, what the processes around the runs need for themselves.
SECONDS_TO_STOP_DAGSTER, SECONDS_TO_DIE = 2.5, 0.5


async def end(crew: Crew, instance: dg.DagsterInstance, events: EventLog, *, grace_seconds: float) -> None:
    """Stop first what would start runs, then the runs, then what held them. Dagster's database may be gone."""
    deadline = time.monotonic() + grace_seconds
    for child in crew:
        if child is not crew.code:
            child.stop()
    with going_on(events):
        async with asyncio.timeout_at(deadline - SECONDS_TO_STOP_DAGSTER):
            await _let_runs_end(instance, deadline - SECONDS_TO_STOP_DAGSTER)
    crew.code.stop()
    left = await _until_gone(crew, deadline - SECONDS_TO_DIE)
    processes.signal_all(left, signal.SIGKILL)
    await _until_gone(crew, deadline)
    with going_on(events):
        async with asyncio.timeout_at(max(deadline, time.monotonic() + SECONDS_TO_DIE)):
            await aside(fail_dead_runs, instance, set[int], events, service_starts=True)
    ended = f"{len(left)} processes did not end in time and were killed" if left else "All processes have ended"
    events.emit("orchestrator_stopped", ended, killed=len(left))


async def _until_gone(crew: Crew, deadline: float) -> set[int]:
    """Wait for the processes below this one to end; those that have not."""
    while (left := processes.descendants()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        crew.reap()
    return left


async def _let_runs_end(instance: dg.DagsterInstance, deadline: float) -> None:
    """Half of the time is for runs that end by themselves, the rest for those that must be told, to clean up."""
    patience, told = (deadline - time.monotonic()) / 2, False
    while time.monotonic() < deadline:
        running = await aside(processes_of_runs, instance, processes.descendants())
        if not running:
            return
        if not told and deadline - time.monotonic() < patience:
            processes.signal_all(running, signal.SIGTERM)
            told = True
        await asyncio.sleep(0.2)
