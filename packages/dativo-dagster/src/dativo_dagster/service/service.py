"""THE FLOW of `dativo start orchestrated`: write the instance, start Dagster's processes, look after them, stop.

    code server    holds the definitions, and starts a process for each run
    webserver      the UI and GraphQL
    daemon         schedules, sensors, the queue of runs, retries

All three are Dagster's own commands. What Dagster leaves to others is done here: processes that die, runs whose
process is gone, files that are edited, alerts, health, housekeeping.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import dagster as dg
from dativo_config.load import Loaded
from dativo_config.problems import ConfigError
from dativo_config.secrets.env import PREFIX
from dativo_engine.events import EventLog

from dativo_dagster.service import commands, processes
from dativo_dagster.service.address import Address, write_address
from dativo_dagster.service.alerts import Alarm
from dativo_dagster.service.changes import Changes
from dativo_dagster.service.child import Child, ProcessLostError
from dativo_dagster.service.definitions import Definitions
from dativo_dagster.service.health import Health, HealthServer, fresh_heartbeats, look
from dativo_dagster.service.housekeeping import Diary, delete_old_runs
from dativo_dagster.service.instance import POSTGRES_URL, write_instance
from dativo_dagster.service.leash import hold_leash
from dativo_dagster.service.ports import listens, refuse_taken
from dativo_dagster.service.runs import end_cancelled_runs, fail_dead_runs, processes_of_runs
from dativo_dagster.service.settings import ServiceSettings
from dativo_dagster.service.webserver import WebserverError, location_problem, reload_location

FAILURE = 2
SECONDS_TO_BE_READY = 180.0
# How often what is looked after is looked at.
RUNS_SECONDS, CHANGES_SECONDS, ALERTS_SECONDS, DIARY_SECONDS = 3.0, 2.0, 5.0, 600.0
# Of the grace time, what the processes around the runs need for themselves.
SECONDS_TO_STOP_DAGSTER, SECONDS_TO_DIE = 2.5, 0.5


def serve(settings: ServiceSettings, loaded: Loaded, events: EventLog, *, log: TextIO = sys.stderr) -> int:
    """Run the service until a signal ends it: 0; or until it can't be kept alive: 2.

    Args:
        loaded: the runner file's jobs. Those that are broken are shown as such, and keep no other from running.
        log: where lines of dativo's own processes are passed on to; `events` writes the others.

    Raises:
        ConfigError: every job is broken, or one is and the settings are strict.
        FatalError: the folder or a port is taken, or the instance can't be written.
    """
    if loaded.problems and (settings.strict or not loaded.jobs):
        raise ConfigError(loaded.problems)
    events.redactor.add(_secrets(settings))
    with hold_leash(settings.home):
        refuse_taken(settings.host, settings.port, option="--port")
        refuse_taken(*settings.health_address, option="--health-port")
        processes.adopt_orphans()
        sockets = Path(tempfile.mkdtemp(prefix="dativo-"))
        try:
            return asyncio.run(_Service(settings, loaded, events, log, sockets / "code.sock").to_its_end())
        finally:
            shutil.rmtree(sockets, ignore_errors=True)


class _Service:
    """One service. The methods stand in the order they are called."""

    def __init__(
        self, settings: ServiceSettings, loaded: Loaded, events: EventLog, log: TextIO, code_socket: Path
    ) -> None:
        self._settings, self._events, self._log = settings, events, log
        self._code_socket = code_socket
        self._definitions = Definitions(settings, loaded, events)
        self._stop, self._hangup = asyncio.Event(), asyncio.Event()
        self._told_to_end: set[int] = set()
        self._began, self._since = time.monotonic(), datetime.now(UTC)
        self._environment = commands.environment(settings)
        self._write_instance()
        if url := self._environment.get(POSTGRES_URL):
            os.environ[POSTGRES_URL] = url  # where the instance's file says to look
        self._instance = dg.DagsterInstance.from_config(str(settings.home))
        without_secrets = commands.without_secrets(self._environment)
        self._code = Child("code_server", commands.code_server(code_socket), self._environment, events, log)
        self._web = Child("webserver", commands.webserver(settings), without_secrets, events, log)
        self._daemon = Child("daemon", commands.daemon(settings), without_secrets, events, log)

    async def to_its_end(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        home, file = str(self._settings.home), str(self._settings.project.runner_file)
        self._events.emit("orchestrator_starting", f"Starting Dagster in {home}", home=home, runner_config=file)
        # Nothing runs yet: what a service before this one left in progress is over.
        await asyncio.to_thread(fail_dead_runs, self._instance, set[int](), self._events, service_starts=True)
        code = 0
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._code.keep_alive())
                tasks.create_task(self._go_on(tasks))
                tasks.create_task(self._end_when_told())
        except* ProcessLostError as lost:
            self._events.emit("orchestrator_error", str(lost.exceptions[0]), level="ERROR")
            await self._end()
            code = FAILURE
        return code

    async def _go_on(self, tasks: asyncio.TaskGroup) -> None:
        """Once the definitions are there, start who asks for them; once all answer, say so and look after them."""
        await self._until(lambda: None if listens(self._code_socket) else "the code server has not begun")
        if self._stop.is_set():
            return
        tasks.create_task(self._web.keep_alive())
        tasks.create_task(self._daemon.keep_alive())
        await self._until(self._not_ready)
        if self._stop.is_set():
            return
        self._tell_ready()
        alarm = Alarm(self._settings, self._events)
        diary = Diary(self._settings.home / "housekeeping")
        tasks.create_task(self._every(RUNS_SECONDS, self._tend_runs))
        tasks.create_task(self._every(ALERTS_SECONDS, lambda: self._sound(alarm)))
        tasks.create_task(self._follow_changes())
        tasks.create_task(self._keep_house(diary))

    async def _until(self, problem: Callable[[], str | None]) -> None:
        """Wait until there is no problem, or a signal came."""
        while (found := await asyncio.to_thread(problem)) and not self._stop.is_set():
            if time.monotonic() - self._began > SECONDS_TO_BE_READY:
                message = f"not ready after {SECONDS_TO_BE_READY:g} s: {found}"
                raise ProcessLostError(message)
            await asyncio.sleep(0.2)

    def _not_ready(self) -> str | None:
        """Why the service can't be used yet; None: it can."""
        try:
            problem = location_problem(self._settings.url)
        except WebserverError as error:
            return str(error)
        return problem or (None if fresh_heartbeats(self._instance) else "the daemon has not begun")

    def _tell_ready(self) -> None:
        self._definitions.tell_schedules()
        settings, seconds = self._settings, time.monotonic() - self._began
        self._health = HealthServer(settings.health_address, self._report)
        write_address(settings.home, Address.of(settings))
        self._events.emit(
            "orchestrator_ready",
            f"Ready after {seconds:.1f} s: {settings.url}",
            url=settings.url,
            health_url=settings.health_url,
            seconds=round(seconds, 1),
            broken_jobs=self._definitions.broken,
        )

    def _report(self) -> Health:
        broken = (told for found in self._definitions.broken.values() for told in found)
        warnings = (*self._definitions.refused, *broken)
        problems = () if listens(self._code_socket) else ("the code server does not answer",)
        return look(self._instance, self._settings.url, since=self._since, problems=problems, warnings=warnings)

    async def _every(self, seconds: float, do: Callable[[], None]) -> None:
        """Do it again and again until the end; what goes wrong is told, and tried again the next time."""
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(do)
            except Exception as error:  # noqa: BLE001 - the edge of a chore: the service goes on without it
                message = f"{type(error).__name__}: {' '.join(str(error).split())}"
                self._events.emit("chore_failed", message, level="ERROR")
            await self._pause(seconds, self._stop)

    def _tend_runs(self) -> None:
        """Look after what no parent looks after."""
        code = self._code.pid
        if code is not None and listens(self._code_socket) and not processes.has_children(code):
            # It passes requests on to a child that holds the definitions, and does not start that again by itself.
            processes.signal_all([code], signal.SIGKILL)
        processes.reap(child.pid or 0 for child in (self._code, self._web, self._daemon))
        alive = processes.descendants()
        fail_dead_runs(self._instance, alive, self._events)
        orphans = alive - (processes.descendants(code) if code is not None else set[int]())
        self._told_to_end |= end_cancelled_runs(self._instance, orphans - self._told_to_end)

    def _sound(self, alarm: Alarm) -> None:
        alarm.look(self._instance, self._definitions.runner.alerts)

    async def _follow_changes(self) -> None:
        changes = Changes(self._settings.project)
        while not self._stop.is_set():
            if self._hangup.is_set() or await asyncio.to_thread(changes.settled):
                self._hangup.clear()
                await self._reload()
            await self._pause(CHANGES_SECONDS, self._hangup)

    async def _reload(self) -> None:
        if not await asyncio.to_thread(self._definitions.read_again):
            return
        if self._write_instance():
            # Limits are read when these two start.
            self._daemon.replace()
            self._web.replace()
        problem: str | None = None
        if self._settings.read_only:
            self._code.replace()  # a read-only webserver passes no reload on; runs go on without their code server
        else:
            try:
                problem = await asyncio.to_thread(reload_location, self._settings.url)
            except WebserverError as error:
                self._code.replace()
                problem = f"{error}; the code server starts again instead"
        level, message = ("WARNING", problem) if problem else ("INFO", "The definitions are those of the files again")
        self._events.emit("definitions_reloaded", message, level=level, broken_jobs=self._definitions.broken)

    def _write_instance(self) -> bool:
        return write_instance(
            self._settings.home,
            self._definitions.runner,
            code_socket=self._code_socket,
            postgres=bool(self._environment.get(POSTGRES_URL)),
        )

    async def _keep_house(self, diary: Diary) -> None:
        while not self._stop.is_set():
            if await asyncio.to_thread(diary.is_due):
                kept = self._definitions.runner.kept
                deleted = await asyncio.to_thread(delete_old_runs, self._instance, kept.run_days)
                self._events.emit("history_deleted", f"{deleted} runs older than {kept.run_days} days", runs=deleted)
                for tenant in sorted({job.tenant.id for job in self._definitions.loaded.jobs}):
                    if not self._stop.is_set():
                        await self._maintenance(tenant).run()
            await self._pause(DIARY_SECONDS, self._stop)

    def _maintenance(self, tenant: str) -> Child:
        environment = commands.environment_of(tenant, self._settings, self._environment)
        return Child("maintenance", commands.maintenance(tenant), environment, self._events, self._log)

    async def _pause(self, seconds: float, unless: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(unless.wait(), seconds)

    async def _end_when_told(self) -> None:
        await self._stop.wait()
        self._hangup.set()
        await self._end()

    async def _end(self) -> None:
        """Stop everything within the grace time: first what would start runs, then the runs, then what held them."""
        self._stop.set()
        deadline = time.monotonic() + self._settings.grace_seconds
        self._daemon.stop()
        self._web.stop()
        await self._let_runs_end(deadline - SECONDS_TO_STOP_DAGSTER)
        self._code.stop()
        left = await self._until_gone(deadline - SECONDS_TO_DIE)
        processes.signal_all(left, signal.SIGKILL)
        await self._until_gone(deadline)
        await asyncio.to_thread(fail_dead_runs, self._instance, set[int](), self._events, service_starts=True)
        ended = f"{len(left)} processes did not end in time and were killed" if left else "All processes have ended"
        self._events.emit("orchestrator_stopped", ended, killed=len(left))

    async def _until_gone(self, deadline: float) -> set[int]:
        """Wait for the processes below this one to end; those that have not."""
        while (left := processes.descendants()) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            processes.reap(child.pid or 0 for child in (self._code, self._web, self._daemon))
        return left

    async def _let_runs_end(self, deadline: float) -> None:
        """Half of the time is for runs that end by themselves, the rest for those that must be told, to clean up."""
        patience, told = (deadline - time.monotonic()) / 2, False
        while time.monotonic() < deadline:
            running = await asyncio.to_thread(processes_of_runs, self._instance, processes.descendants())
            if not running:
                return
            if not told and deadline - time.monotonic() < patience:
                processes.signal_all(running, signal.SIGTERM)
                told = True
            await asyncio.sleep(0.2)


def _secrets(settings: ServiceSettings) -> Iterator[str]:
    """What the service's own lines must not show: whatever the environment holds as a secret."""
    for name, value in settings.environment.items():
        if name == POSTGRES_URL or name.upper().startswith(PREFIX):
            yield value
