"""What Dagster leaves to others, done again and again while the service lives.

Processes without a parent, runs whose process is gone, files that are edited, alerts, the daily work.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

import dagster as dg
from dativo_engine.events import EventLog

from dativo_dagster.service import commands, processes
from dativo_dagster.service.alerts import Alarm
from dativo_dagster.service.aside import aside
from dativo_dagster.service.changes import Changes
from dativo_dagster.service.child import Child, how_it_ended
from dativo_dagster.service.crew import Crew
from dativo_dagster.service.definitions import Definitions
from dativo_dagster.service.edge import going_on
from dativo_dagster.service.housekeeping import Diary, delete_old_runs
from dativo_dagster.service.ports import listens
from dativo_dagster.service.runs import end_cancelled_runs, fail_dead_runs
from dativo_dagster.service.settings import ServiceSettings
from dativo_dagster.service.webserver import WebserverError, reload_location

# How often what is looked after is looked at.
RUNS_SECONDS, CHANGES_SECONDS, ALERTS_SECONDS, DIARY_SECONDS = 3.0, 2.0, 5.0, 600.0


@dataclass
class Chores:
    """The chores of one service.

    Attributes:
        environment: of processes that work for one tenant, with the secrets of all.
        write_instance: writes Dagster's limits; whether they changed.
        stop: the service is about to end.
        hangup: the files are to be read at once.
    """

    settings: ServiceSettings
    instance: dg.DagsterInstance
    definitions: Definitions
    crew: Crew
    environment: Mapping[str, str]
    write_instance: Callable[[], bool]
    stop: asyncio.Event
    hangup: asyncio.Event
    events: EventLog
    log: TextIO
    _told_to_end: set[int] = field(default_factory=set[int])

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Do them until the tasks are cancelled."""
        alarm = Alarm(self.settings, self.events)
        changes = Changes(self.definitions.loaded.looked_at)
        diary = Diary(self.settings.home / "housekeeping")
        tasks.create_task(self._every(RUNS_SECONDS, lambda: aside(self._tend_runs)))
        tasks.create_task(self._every(ALERTS_SECONDS, lambda: aside(self._sound, alarm)))
        tasks.create_task(self._every(CHANGES_SECONDS, lambda: self._follow(changes), sooner=self.hangup))
        tasks.create_task(self._every(DIARY_SECONDS, lambda: self._keep_house(diary)))

    async def _every(
        self, seconds: float, do: Callable[[], Awaitable[None]], *, sooner: asyncio.Event | None = None
    ) -> None:
        """Do it again and again; what goes wrong is told, and tried again the next time."""
        sooner = sooner or asyncio.Event()
        while True:
            with going_on(self.events):
                await do()
            with suppress(TimeoutError):
                await asyncio.wait_for(sooner.wait(), seconds)

    def _tend_runs(self) -> None:
        """Look after what no parent looks after."""
        code = self.crew.code.pid
        if code is not None and listens(self.crew.code_socket) and not processes.has_children(code):
            # It passes requests on to a child that holds the definitions, and does not start that again by itself.
            processes.signal_all([code], signal.SIGKILL)
        self.crew.reap()
        fail_dead_runs(self.instance, processes.descendants, self.events)
        orphans = processes.descendants() - (processes.descendants(code) if code is not None else set[int]())
        self._told_to_end |= end_cancelled_runs(self.instance, orphans - self._told_to_end)

    def _sound(self, alarm: Alarm) -> None:
        alarm.look(self.instance, self.definitions.runner)

    async def _follow(self, changes: Changes) -> None:
        if not self.hangup.is_set() and not await aside(changes.settled):
            return
        self.hangup.clear()
        if await aside(self.definitions.read_again):
            changes.loaded = self.definitions.loaded.looked_at
            await self._reload()

    async def _reload(self) -> None:
        problem: str | None = None
        if self.settings.read_only:
            self.crew.code.replace()  # a read-only webserver passes no reload on; runs go on without their code server
        else:
            try:
                problem = await aside(reload_location, self.settings.url)
            except WebserverError as error:
                self.crew.code.replace()
                problem = f"{error}; the code server starts again instead"
        self.definitions.tell_reloaded(problem)
        if self.write_instance():
            # Limits are read when these two start.
            self.crew.daemon.replace()
            self.crew.web.replace()

    async def _keep_house(self, diary: Diary) -> None:
        if not await aside(diary.is_due):
            return
        days = self.definitions.runner.kept.run_days
        with going_on(self.events):
            deleted = await aside(delete_old_runs, self.instance, days, unless=self.stop.is_set)
            self.events.emit("history_deleted", f"{deleted} runs older than {days} days", runs=deleted)
        for tenant in sorted({job.tenant.id for job in self.definitions.served.jobs}):
            with going_on(self.events):
                await self._maintain(tenant)

    async def _maintain(self, tenant: str) -> None:
        environment = commands.environment_of(tenant, self.settings, self.environment)
        child = Child("maintenance", commands.maintenance(tenant), environment, self.events, self.log)
        self.crew.maintenance = child
        if (code := await child.run()) != 0:
            message = f"The tables of {tenant} could not all be maintained: the process {how_it_ended(code)}"
            self.events.emit("maintenance_failed", message, level="ERROR", tenant_id=tenant, exit_code=code)
