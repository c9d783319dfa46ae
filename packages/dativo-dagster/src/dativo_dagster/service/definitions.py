"""What the service serves: the last runner file that could be read, and each job that it lists as it last was right."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dativo_config.load import Loaded, LoadSettings, examine_runner
from dativo_config.models.runner import Runner, Schedule
from dativo_config.problems import ConfigError, headline, to_json
from dativo_config.wording import counted
from dativo_engine.connectors import specs
from dativo_engine.events import Events

from dativo_dagster.service.settings import ServiceSettings


@dataclass
class Definitions:
    """The files' last good state, kept as copies that every process reads, whatever becomes of the files themselves.

    The runner file is copied as a whole. Of the others those are that hold problems, as they were before: a job that
    is edited into something that can't be read goes on as it was. One that never was right is broken.

    Attributes:
        loaded: the files as they are now, when the runner file could be read last.
        served: the same with the copies in place of files that hold problems.
        refused: why the runner file as it is now is not served; empty: it is.
    """

    settings: ServiceSettings
    loaded: Loaded
    events: Events
    refused: tuple[str, ...] = ()
    _good: Mapping[Path, str] = field(default_factory=dict[Path, str])

    def __post_init__(self) -> None:
        self.served = self.loaded
        self._keep(self.loaded, {})

    @property
    def runner(self) -> Runner:
        """The settings that are served."""
        assert self.served.runner is not None  # noqa: S101 - `examine_runner` raises otherwise
        return self.served.runner

    @property
    def broken(self) -> dict[str, list[str]]:
        """What is wrong with the files of each listed job; it may be served as it was."""
        return {str(file): [headline(problem) for problem in found] for file, found in self.loaded.broken.items()}

    @property
    def held(self) -> list[str]:
        """The jobs that are served as they were, since their files hold problems now."""
        return sorted(str(job.path) for job in self.served.jobs if job.path in self.loaded.broken)

    def read_again(self) -> bool:
        """Take the files as they are now; False: the runner file can't be read, and the last one stays."""
        try:
            loaded = self._examine(held=None)
        except ConfigError as error:
            self.refused = tuple(headline(problem) for problem in error.problems)
            message = f"The files as they are now are not served, the last good ones stay: {self.refused[0]}"
            problems = [to_json(problem) for problem in error.problems]
            self.events.emit("reload_refused", message, level="ERROR", problems=problems)
            return False
        before, held = self.runner, self._to_hold(loaded)
        self._keep(loaded, held)
        served = self._examine(held=self.settings.held_folder) if held else loaded
        self.loaded, self.served, self.refused = loaded, served, ()
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

    def tell_reloaded(self, problem: str | None) -> None:
        """What is served now, and what is wrong with the files; `problem` is the code server's own."""
        broken, held = self.broken, self.held
        doubts = [problem] if problem else []
        if broken:
            first = next((found[0] for found in broken.values() if found), "")
            doubts.append(f"{counted(len(broken), 'job')} with problems, {len(held)} of them served as before: {first}")
        level, message = (
            ("WARNING", "; ".join(doubts)) if doubts else ("INFO", "The definitions are those of the files again")
        )
        self.events.emit("definitions_reloaded", message, level=level, broken_jobs=broken, held_jobs=held)

    def _examine(self, *, held: Path | None) -> Loaded:
        settings = LoadSettings(
            project=self.settings.project.root,
            environment={**self.settings.environment, **self.settings.paths},
            mode=self.settings.mode,
            held=held,
        )
        return examine_runner(self.settings.project.runner_file, specs(), settings=settings, mode="orchestrated")

    def _to_hold(self, loaded: Loaded) -> dict[Path, str]:
        """The files that hold problems now, of jobs that are served, as they were without."""
        served = {job.path for job in self.served.jobs}
        lost = (problem for path, found in loaded.broken.items() if path in served for problem in found)
        return {file: self._good[file] for file in {problem.position.file for problem in lost} if file in self._good}

    def _keep(self, loaded: Loaded, held: Mapping[Path, str]) -> None:
        """Write what was read and found to be right: the files may have been edited since."""
        root, folder = self.settings.project.root, self.settings.held_folder
        _write(self.settings.served_file, loaded.texts[self.settings.project.runner_file])
        copies = {folder / file.relative_to(root): text for file, text in held.items() if file.is_relative_to(root)}
        for copy, text in copies.items():
            _write(copy, text)
        for old in {file for file in folder.rglob("*") if file.is_file()} - copies.keys():
            old.unlink()
        if not copies:
            shutil.rmtree(folder, ignore_errors=True)
        unsound = {problem.position.file for problem in loaded.problems}
        self._good = {**{file: text for file, text in loaded.texts.items() if file not in unsound}, **held}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(text, encoding="utf-8", newline="")
    draft.replace(file)


def _fields(schedule: Schedule) -> dict[str, Any]:
    return schedule.model_dump(include={"name", "config", "cron", "interval_seconds", "timezone", "enabled"})
