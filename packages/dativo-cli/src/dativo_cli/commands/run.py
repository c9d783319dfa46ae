"""`dativo run`: one job, or the jobs of one tenant, once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import click
from dativo_config.models.resolved import ResolvedJob
from dativo_config.problems import ConfigError
from dativo_engine.errors import DativoError, FatalError, RunStoppedError
from dativo_engine.events import EventLog, Format, LibraryLog
from dativo_engine.redaction import Redactor
from dativo_engine.results import RunOptions, RunResult
from dativo_engine.runs import run_job

from dativo_cli.jobs import load_jobs, pick_streams
from dativo_cli.options import (
    JobFlags,
    SecretFlags,
    example,
    job_options,
    json_option,
    objects_option,
    secret_options,
    yes_option,
)
from dativo_cli.progress import watch
from dativo_cli.screen import Screen
from dativo_cli.summary import refusal_event, results_json, show_results

FAILURE = 2


@click.command(
    epilog=example("dativo run --config jobs/demo/orders_to_iceberg.yaml", "dativo run --job-dir jobs/demo --json")
)
@job_options
@secret_options
@objects_option
@click.option("--full-refresh", is_flag=True, help="Read everything again and replace the tables.")
@click.option("--dry-run", is_flag=True, help="Read and enforce, write nothing.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for a run slot of the tenant, or fail.")
@click.option("--log-format", type=click.Choice(["json", "text"]), help="[default: text on a terminal, else json]")
@json_option
@yes_option
@click.pass_obj
def run(  # noqa: PLR0913 - one parameter a flag
    screen: Screen,
    *,
    jobs: JobFlags,
    secrets: SecretFlags,
    objects: tuple[str, ...],
    full_refresh: bool,
    dry_run: bool,
    wait: bool,
    log_format: Format | None,
    as_json: bool,
    yes: bool,
) -> int:
    """Run a job, or all jobs of a tenant, once.

    Exit codes: 0 every row was processed, 1 some rows were rejected (warn mode), 2 failure; of several jobs the worst.

    Logs go to stderr, one JSON object a line off a terminal. Nothing goes to stdout off a terminal but the one object
    of --json: status, exit_code, rows_read, rows_accepted, rows_rejected, bytes_read, bytes_written, seconds, error,
    and tables, each with table, status, rows, snapshot_id, metadata_location and stamp. Of several jobs it holds their
    sums, and each job's own object under jobs.
    """
    if jobs.config is None and jobs.job_dir is None:
        message = "give --config FILE or --job-dir DIR"
        raise click.UsageError(message)
    form: Format = log_format or ("text" if screen.errors_to_terminal else "json")
    try:
        with _stoppable():
            loaded = load_jobs(jobs, secrets)
            chosen = [replace(job, streams=pick_streams(job, objects)) for job in loaded.jobs]
            if full_refresh:
                _confirm_refresh(screen, chosen, yes=yes)
    except (ConfigError, DativoError) as error:
        return _refused(screen, error, form=form, as_json=as_json)
    options = RunOptions(
        full_refresh=full_refresh,
        dry_run=dry_run,
        wait=wait,
        secret_manager=secrets.secret_manager,
        concurrency_per_tenant=loaded.runner.orchestrator.concurrency_per_tenant if loaded.runner else 1,
        tenant_sources=_tenant_sources(jobs),
    )
    results = _run_all(screen, chosen, options, form=form)
    if as_json:
        screen.json(results_json(results))
    elif screen.is_terminal:
        show_results(screen, results)
    return max(result.exit_code for result in results)


def _run_all(screen: Screen, jobs: Sequence[ResolvedJob], options: RunOptions, *, form: Format) -> list[RunResult]:
    """One job after the other; a failure does not keep the next from running, a signal does."""
    results: list[RunResult] = []
    for job in jobs:
        with watch(shown=form == "text" and screen.errors_to_terminal) as (progress, log):
            redactor = Redactor(patterns=job.job.logging.redaction)
            events = EventLog(log, form=form, level=job.job.logging.level, redactor=redactor)
            LibraryLog(events).install()
            results.append(run_job(job, events, options=options, progress=progress))
        if screen.debug and results[-1].cause is not None:
            screen.trace(results[-1].cause, redactor)
        if results[-1].stopped:
            break
    return results


def _confirm_refresh(screen: Screen, jobs: Sequence[ResolvedJob], *, yes: bool) -> None:
    for job in jobs:
        if job.shares_table:
            message = f"{job.path}: --full-refresh would drop the rows of the other jobs that load its table"
            raise FatalError(message)
    tables = ", ".join(str(stream.table) for job in jobs for stream in job.streams)
    screen.confirm(f"This reads everything again and replaces {tables}. Go on?", yes=yes)


def _tenant_sources(jobs: JobFlags) -> tuple[str, ...]:
    return ("job", "folder", "flag") if jobs.tenant_id else ("job", "folder")


def _refused(screen: Screen, error: ConfigError | DativoError, *, form: Format, as_json: bool) -> int:
    """Nothing was started: the one event is `job_error`."""
    if form == "json":
        message, fields = refusal_event(error)
        EventLog(sys.stderr, form="json").emit("job_error", message, level="ERROR", **fields)
    else:
        screen.failure(error)
    if as_json:
        screen.json({"status": "failed", **refusal_event(error)[1]})
    return FAILURE


@contextmanager
def _stoppable() -> Generator[None]:
    """Make SIGTERM and SIGINT an error like any other while the files are read; a run has handlers of its own."""

    def stop(number: int, _frame: FrameType | None) -> None:
        message = f"stopped by {signal.Signals(number).name} before the run began"
        raise RunStoppedError(message)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
