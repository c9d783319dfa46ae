"""`dativo validate`: every problem of every file, without network and without secrets."""

from __future__ import annotations

from pathlib import Path

import click
from dativo_config.load import LoadSettings, load_runner
from dativo_config.problems import ConfigError, Problem, render, to_json

from dativo_cli.jobs import examine_jobs, load_settings
from dativo_cli.options import (
    PROJECT_FILE,
    JobFlags,
    SecretFlags,
    example,
    job_options,
    json_option,
    secret_options,
)
from dativo_cli.screen import BAD, GOOD, Screen

FAILURE = 2


@click.command(epilog=example("dativo validate", "dativo validate --config jobs/demo/orders_to_iceberg.yaml --json"))
@job_options
@secret_options
@click.option("--runner-config", type=PROJECT_FILE, help="One runner file.")
@json_option
@click.pass_obj
def validate(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, runner_config: Path | None, as_json: bool) -> int:
    """Find every problem in the project's files.

    Without --config, --job-dir or --runner-config: every job, contract, recipe and runner of the project. Needs no
    network and no secrets. Exits with 2 when there is a problem.

    --json: valid, files (their number), problems, each with file, line, column, path, message, hint.
    """
    if runner_config is not None and (jobs.config or jobs.job_dir):
        message = "give one of --config, --job-dir and --runner-config"
        raise click.UsageError(message)
    if runner_config is not None:
        files, problems = 1, _runner_problems(runner_config, load_settings(jobs, secrets))
    else:
        examined = examine_jobs(jobs, secrets)
        files, problems = examined.files, examined.problems
    if as_json:
        found = [to_json(problem) for problem in problems]
        screen.json({"valid": not problems, "files": files, "problems": found})
    else:
        for problem in problems:
            screen.line(render(problem))
        screen.line(f"{_count(files, 'file')}, {_count(len(problems), 'problem')}", BAD if problems else GOOD)
    return FAILURE if problems else 0


def _runner_problems(file: Path, settings: LoadSettings) -> tuple[Problem, ...]:
    try:
        load_runner(file, settings=settings)
    except ConfigError as error:
        return error.problems
    return ()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
