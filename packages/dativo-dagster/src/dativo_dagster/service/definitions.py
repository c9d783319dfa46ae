"""What the service serves: the last runner file that could be read, and the jobs that it lists."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dativo_config.load import Loaded, LoadSettings, examine_runner
from dativo_config.models.runner import Runner, Schedule
from dativo_config.problems import ConfigError, headline, to_json
from dativo_engine.connectors import specs
from dativo_engine.events import Events

from dativo_dagster.service.settings import ServiceSettings


@dataclass
class Definitions:
    """The runner file's last good state, kept as a copy that every run reads, whatever becomes of the file itself.

    Attributes:
        refused: why the file as it is now is not served; empty: it is.
    """

    settings: ServiceSettings
    loaded: Loaded
    events: Events
    refused: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._keep()

    @property
    def runner(self) -> Runner:
        """The settings that are served."""
        assert self.loaded.runner is not None  # noqa: S101 - `examine_runner` raises otherwise
        return self.loaded.runner

    @property
    def broken(self) -> dict[str, list[str]]:
        """What is wrong with each listed job that can't run."""
        return {str(file): [headline(problem) for problem in found] for file, found in self.loaded.broken.items()}

    def read_again(self) -> bool:
        """Take the files as they are now; False: the runner file can't be read, and the last one stays."""
        settings = LoadSettings(
            project=self.settings.project.root,
            environment={**self.settings.environment, **self.settings.paths},
            mode=self.settings.mode,
        )
        try:
            loaded = examine_runner(self.settings.project.runner_file, specs(), settings=settings, mode="orchestrated")
        except ConfigError as error:
            self.refused = tuple(headline(problem) for problem in error.problems)
            message = f"The files as they are now are not served, the last good ones stay: {self.refused[0]}"
            problems = [to_json(problem) for problem in error.problems]
            self.events.emit("reload_refused", message, level="ERROR", problems=problems)
            return False
        before, self.loaded, self.refused = self.runner, loaded, ()
        self._keep()
        self.tell_schedules(before)
        return True

    def tell_schedules(self, before: Runner | None = None) -> None:
        """One event for each schedule that is new or was changed."""
        known = before.orchestrator.schedules if before else ()
        for schedule in self.runner.orchestrator.schedules:
            if schedule not in known:
                rhythm = schedule.cron or f"every {schedule.interval_seconds:g} s"
                state = "" if schedule.enabled else ", off"
                message = f"Schedule {schedule.name}: {rhythm}{state}"
                self.events.emit("schedule_registered", message, **_fields(schedule))

    def _keep(self) -> None:
        draft = self.settings.served_file.with_suffix(".new")
        shutil.copyfile(self.settings.project.runner_file, draft)
        Path(draft).replace(self.settings.served_file)


def _fields(schedule: Schedule) -> dict[str, Any]:
    return schedule.model_dump(include={"name", "config", "cron", "interval_seconds", "timezone", "enabled"})
