"""THE FLOW of `dativo start orchestrated`: write the instance, start Dagster's processes, look after them, stop.

    code server    holds the definitions, and starts a process for each run
    webserver      the UI and GraphQL
    daemon         schedules, sensors, the queue of runs, retries

All three are Dagster's own commands. What Dagster leaves to others is done beside them: processes that die are started
again, health is told, and the rest are `chores`.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import dagster as dg
from dativo_config.load import Loaded
from dativo_config.problems import ConfigError
from dativo_config.secrets.env import PREFIX
from dativo_engine.errors import DativoError, FatalError
from dativo_engine.events import EventLog

from dativo_dagster.service import commands, processes
from dativo_dagster.service.address import Address, write_address
from dativo_dagster.service.aside import aside
from dativo_dagster.service.child import Child, ProcessLostError
from dativo_dagster.service.chores import Chores
from dativo_dagster.service.crew import Crew
from dativo_dagster.service.definitions import Definitions
from dativo_dagster.service.edge import one_line
from dativo_dagster.service.ending import end
from dativo_dagster.service.health import Health, HealthServer, fresh_heartbeats, look
from dativo_dagster.service.instance import POSTGRES_URL, write_instance
from dativo_dagster.service.leash import hold_leash
from dativo_dagster.service.ports import listens, refuse_taken
from dativo_dagster.service.runs import fail_dead_runs
from dativo_dagster.service.settings import ServiceSettings
from dativo_dagster.service.webserver import WebserverError, location_problem

FAILURE = 2
SECONDS_TO_BE_READY = 180.0


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
        self._definitions = Definitions(settings, loaded, events)
        self._stop, self._hangup = asyncio.Event(), asyncio.Event()
        self._began, self._since = time.monotonic(), datetime.now(UTC)
        self._environment = commands.environment(settings)
        without_secrets = commands.without_secrets(self._environment)
        self._crew = Crew(
            code=Child("code_server", commands.code_server(code_socket), self._environment, events, log),
            web=Child("webserver", commands.webserver(settings), without_secrets, events, log),
            daemon=Child("daemon", commands.daemon(settings), without_secrets, events, log),
            code_socket=code_socket,
        )
        self._write_instance()
        if url := self._environment.get(POSTGRES_URL):
            os.environ[POSTGRES_URL] = url  # where the instance's file says to look
        self._instance = _open_instance(settings.home, events)
        self._chores = Chores(
            settings=settings,
            instance=self._instance,
            definitions=self._definitions,
            crew=self._crew,
            environment=self._environment,
            write_instance=self._write_instance,
            stop=self._stop,
            hangup=self._hangup,
            events=events,
            log=log,
        )

    async def to_its_end(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        home, file = str(self._settings.home), str(self._settings.project.runner_file)
        self._events.emit("orchestrator_starting", f"Starting Dagster in {home}", home=home, runner_config=file)
        code = 0
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._go_on(tasks))
                tasks.create_task(self._wait_for_signal())
        except* _ToldToEnd:
            pass
        except* Exception as lost:  # noqa: BLE001 - the edge of the service: whatever it is, no process stays behind
            error = lost.exceptions[0]
            message = str(error) if isinstance(error, DativoError) else one_line(error)
            self._events.emit("orchestrator_error", message, level="ERROR")
            code = FAILURE
        self._stop.set()
        await end(self._crew, self._instance, self._events, grace_seconds=self._settings.grace_seconds)
        return code

    async def _wait_for_signal(self) -> None:
        await self._stop.wait()
        raise _ToldToEnd  # cancels every other task

    async def _go_on(self, tasks: asyncio.TaskGroup) -> None:
        """Once the definitions are there, start who asks for them; once all answer, say so and look after them."""
        # Nothing runs yet: what a service before this one left in progress is over.
        await aside(fail_dead_runs, self._instance, set[int], self._events, service_starts=True)
        crew = self._crew
        tasks.create_task(crew.code.keep_alive())
        await self._until(lambda: None if listens(crew.code_socket) else "the code server has not begun")
        tasks.create_task(crew.web.keep_alive())
        tasks.create_task(crew.daemon.keep_alive())
        await self._until(self._not_ready)
        self._tell_ready()
        self._chores.begin(tasks)

    async def _until(self, problem: Callable[[], str | None]) -> None:
        """Wait until there is no problem."""
        while found := await aside(problem):
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
        self._health = HealthServer(settings.health_address, self._report, self._events)
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
        problems = () if listens(self._crew.code_socket) else ("the code server does not answer",)
        return look(self._instance, self._settings.url, since=self._since, problems=problems, warnings=warnings)

    def _write_instance(self) -> bool:
        return write_instance(
            self._settings.home,
            self._definitions.runner,
            code_socket=self._crew.code_socket,
            postgres=bool(self._environment.get(POSTGRES_URL)),
        )


class _ToldToEnd(Exception):  # noqa: N818 - no error
    """A signal came."""


def _open_instance(home: Path, events: EventLog) -> dg.DagsterInstance:
    try:
        return dg.DagsterInstance.from_config(str(home))
    except Exception as error:  # whatever the database's driver raises
        message = f"{home}: Dagster can't open its history: {events.redactor(one_line(error))}"
        raise FatalError(message) from error


def _secrets(settings: ServiceSettings) -> Iterator[str]:
    """What the service's own lines must not show: whatever the environment holds as a secret."""
    for name, value in settings.environment.items():
        if name == POSTGRES_URL or name.upper().startswith(PREFIX):
            yield value
