"""Every job of a runner file once: one after the other within a tenant, tenants side by side.

Each run is a `dativo run` in a process of its own, which holds its own tenant's secrets only and dies with this one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dativo_config.models.runner import Orchestrator
from dativo_config.project import Project
from dativo_config.secrets import hide_other_tenants
from dativo_engine.attached import attached
from dativo_engine.events import Format

FAILURE = 2
# A line is one event; the longest hold the rejected rows of a batch.
_LONGEST_LINE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Listed:
    """A job that the runner file lists, and whose it is."""

    tenant: str
    file: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job's run ended. `exit_code` None: a signal came before it began."""

    job: Listed
    exit_code: int | None


def listed_jobs(orchestrator: Orchestrator, project: Project) -> list[Listed]:
    """The jobs of the schedules that are on, in the file's order, each once."""
    files = dict.fromkeys(project.resolve(item.config) for item in orchestrator.schedules if item.enabled)
    return [Listed(project.tenant_of(file) or "", file) for file in files]


def run_all(
    jobs: Sequence[Listed], orchestrator: Orchestrator, *, project: Project, arguments: Sequence[str], form: Format
) -> list[Ended]:
    """Run the jobs; `arguments` are those of `dativo run` beside `--config`. Answers in the order of the jobs.

    SIGTERM and SIGINT are passed on to the runs, and no further one begins.
    """
    return asyncio.run(_Runs(orchestrator, project, arguments, form).all(jobs))


@dataclass
class _Runs:
    orchestrator: Orchestrator
    project: Project
    arguments: Sequence[str]
    form: Format
    _going: set[Process] = field(default_factory=set[Process])
    _stopped: bool = False

    async def all(self, jobs: Sequence[Listed]) -> list[Ended]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        places = asyncio.Semaphore(self.orchestrator.max_concurrent_runs)
        slots = {job.tenant: asyncio.Semaphore(self.orchestrator.concurrency_per_tenant) for job in jobs}
        # The tenant's slot first: whoever waits for it must not hold a place that other tenants could use.
        return await asyncio.gather(*(self._in_turn(job, slots[job.tenant], places) for job in jobs))

    async def _in_turn(self, job: Listed, slot: asyncio.Semaphore, places: asyncio.Semaphore) -> Ended:
        async with slot, places:
            return Ended(job, None if self._stopped else await self._run(job))

    async def _run(self, job: Listed) -> int:
        command = [sys.executable, "-m", "dativo_cli", "run", "--config", str(job.file), "--log-format", self.form]
        process = await asyncio.create_subprocess_exec(
            *attached([*command, *self.arguments]),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=_environment_for(job, self.project),
            limit=_LONGEST_LINE,
            # A Ctrl-C at the terminal reaches this process, which passes it on once.
            start_new_session=True,
        )
        self._going.add(process)
        if self._stopped:
            process.terminate()
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        async for line in process.stderr:
            sys.stderr.write(line.decode(errors="replace"))
        self._going.discard(process)
        code = await process.wait()
        # Killed from outside, it told nobody.
        return code if code in (0, 1, FAILURE) else FAILURE

    def _stop(self) -> None:
        self._stopped = True
        for process in self._going:
            process.terminate()


def _environment_for(job: Listed, project: Project) -> Mapping[str, str]:
    environment = dict(os.environ)
    hide_other_tenants(environment, project.tenant(job.tenant))
    return {
        **environment,
        "DATIVO_HOME": str(project.root),
        "STATE_DIR": str(project.state_root),
        "DATIVO_RUNNER_CONFIG": str(project.runner_file),
    }
