"""`dativo start`: the jobs of a runner file, once or as its schedules say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import click
from dativo_config.load import LoadSettings, load_runner
from dativo_config.problems import ConfigError
from dativo_config.project import IMAGE_HOME, Project, find_root, open_project
from dativo_engine.errors import RunStoppedError
from dativo_engine.events import Format

from dativo_cli.options import SecretFlags, example, log_format_option, project_option, secret_options
from dativo_cli.running import tell_refusal
from dativo_cli.screen import Screen

FAILURE = 2
RUNNER_CONFIG = IMAGE_HOME / "configs" / "runner.yaml"


@click.command(epilog=example("dativo start oneshot --runner-config configs/runner.yaml"))
@click.argument("chosen", metavar="[oneshot]", type=click.Choice(["oneshot"]), required=False)
@click.option(
    "--runner-config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=RUNNER_CONFIG,
    show_default=True,
    help="The runner file; /app is the project where there is no /app.",
)
@project_option
@secret_options
@log_format_option
@click.pass_obj
def start(
    screen: Screen,
    *,
    chosen: Literal["oneshot"] | None,
    runner_config: Path,
    project: Path | None,
    secrets: SecretFlags,
    log_format: Format | None,
) -> int:
    """Run the jobs that a runner file lists.

    oneshot runs each of them once, one after the other within a tenant and tenants side by side, each in a process of
    its own, and exits with the worst code: 0 every row was processed, 1 some rows were rejected (warn mode), 2 failure.

    Without a word, the file's `mode` says which. Logs go to stderr, one JSON object a line off a terminal.
    """
    form: Format = log_format or ("text" if screen.errors_to_terminal else "json")
    try:
        opened = _project(runner_config, project, secrets)
        runner = load_runner(opened.runner_file, settings=_settings(opened), mode=chosen or "oneshot")
    except ConfigError as error:
        tell_refusal(screen, error, form=form)
        return FAILURE
    from dativo_cli.oneshot import listed_jobs, run_all

    jobs = listed_jobs(runner.orchestrator, opened)
    ended = run_all(jobs, runner.orchestrator, project=opened, arguments=_run_arguments(opened, secrets), form=form)
    if left := [run.job.file.stem for run in ended if run.exit_code is None]:
        error = RunStoppedError(f"stopped by a signal before {', '.join(left)} ran")
        tell_refusal(screen, error, form=form)
        return FAILURE
    return max((run.exit_code or 0 for run in ended), default=0)


def _project(runner_config: Path, given: Path | None, secrets: SecretFlags) -> Project:
    """The project of a runner file: a path under /app is the project's own, any other is as the shell means it."""
    inside = runner_config.is_relative_to(IMAGE_HOME) and not IMAGE_HOME.exists()
    start = Path.cwd() if inside else runner_config
    root = find_root(start, given=given, environment=os.environ)
    environment = {
        **os.environ,
        "DATIVO_RUNNER_CONFIG": str(runner_config if inside else runner_config.absolute()),
    }
    return open_project(root, environment=environment, secrets=secrets.secrets_dir)


def _settings(project: Project) -> LoadSettings:
    environment = {**os.environ, "DATIVO_RUNNER_CONFIG": str(project.runner_file)}
    return LoadSettings(project=project.root, environment=environment)


def _run_arguments(project: Project, secrets: SecretFlags) -> list[str]:
    manager = ["--secret-manager", secrets.secret_manager] if secrets.secret_manager else []
    return ["--secrets-dir", str(project.secrets_root), "--mode", secrets.mode, *manager]
