"""`dativo start`: the jobs of a runner file, as its schedules say, or once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from dativo_config.load import Loaded, LoadSettings, examine_runner
from dativo_config.problems import ConfigError
from dativo_config.project import Project
from dativo_engine.connectors import specs
from dativo_engine.errors import DativoError, FatalError
from dativo_engine.events import EventLog, Format, LibraryLog

from dativo_cli.options import SecretFlags, example, log_format_option, project_option, runner_option, secret_options
from dativo_cli.running import tell_refusal
from dativo_cli.screen import Screen
from dativo_cli.serving import ServiceFlags, open_runner_project, service_options

if TYPE_CHECKING:
    from dativo_dagster.service.settings import ServiceSettings

FAILURE = 2


@click.command(
    epilog=example(
        "dativo start orchestrated --runner-config configs/runner.yaml",
        "dativo start oneshot --runner-config configs/runner.yaml",
    )
)
@click.argument(
    "chosen", metavar="[orchestrated|oneshot]", type=click.Choice(["orchestrated", "oneshot"]), required=False
)
@runner_option
@service_options
@project_option
@secret_options
@log_format_option
@click.pass_obj
def start(
    screen: Screen,
    *,
    chosen: Literal["orchestrated", "oneshot"] | None,
    runner_config: Path,
    service: ServiceFlags,
    project: Path | None,
    secrets: SecretFlags,
    log_format: Format | None,
) -> int:
    """Run the jobs that a runner file lists.

    orchestrated serves their schedules until it is stopped: Dagster with its web UI, one run at a time per tenant,
    retries. It exits with 0 when it was stopped, with 2 when it could not begin or go on. --port to --strict are for
    this mode.

    oneshot runs each job once, one after the other within a tenant and tenants side by side, each in a process of its
    own, and exits with the worst code: 0 every row was processed, 1 some rows were rejected (warn mode), 2 failure.

    Without a word, the file's `mode` says which. Logs go to stderr, one JSON object a line off a terminal.
    """
    form: Format = log_format or ("text" if screen.errors_to_terminal else "json")
    try:
        opened = open_runner_project(runner_config, given=project, secrets=secrets)
        environment = {**os.environ, "DATIVO_RUNNER_CONFIG": str(opened.runner_file)}
        settings = LoadSettings(project=opened.root, environment=environment, mode=secrets.mode)
        loaded = examine_runner(opened.runner_file, specs(), settings=settings, mode=chosen)
        assert loaded.runner is not None  # noqa: S101 - `examine_runner` raises otherwise
        if loaded.runner.mode == "orchestrated":
            return _serve(loaded, service.settings(opened, secrets), form)
        return _run_once(screen, loaded, opened, secrets, form=form)
    except (ConfigError, DativoError) as error:
        tell_refusal(screen, error, form=form)
        return FAILURE


def _serve(loaded: Loaded, settings: ServiceSettings, form: Format) -> int:
    from dativo_dagster.service.service import serve  # Dagster takes a second

    events = EventLog(form=form)
    LibraryLog(events).install()
    return serve(settings, loaded, events)


def _run_once(screen: Screen, loaded: Loaded, project: Project, secrets: SecretFlags, *, form: Format) -> int:
    from dativo_cli.oneshot import listed_jobs, run_all

    assert loaded.runner is not None  # noqa: S101 - `examine_runner` raises otherwise
    unlisted = [problem for problem in loaded.problems if problem.position.file == project.runner_file]
    if unlisted:
        raise ConfigError(unlisted)
    orchestrator = loaded.runner.orchestrator
    manager = ["--secret-manager", secrets.secret_manager] if secrets.secret_manager else []
    arguments = ["--secrets-dir", str(project.secrets_root), "--mode", secrets.mode, *manager]
    ended = run_all(listed_jobs(orchestrator, project), orchestrator, project=project, arguments=arguments, form=form)
    if left := [run.job.file.stem for run in ended if run.exit_code is None]:
        message = f"stopped by a signal before {', '.join(left)} ran"
        tell_refusal(screen, FatalError(message), form=form)
        return FAILURE
    return max((run.exit_code or 0 for run in ended), default=0)
