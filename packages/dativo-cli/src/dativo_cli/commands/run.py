"""`dativo run`: one job, or the jobs of one tenant, once."""

from __future__ import annotations

from collections.abc import Sequence

import click
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.asked import as_asked
from dativo_engine.events import Format
from dativo_engine.results import RunOptions

from dativo_cli.jobs import load_jobs, pick_streams, slots, tenant_sources
from dativo_cli.options import (
    JobFlags,
    SecretFlags,
    example,
    job_options,
    json_option,
    log_format_option,
    objects_option,
    secret_options,
    wait_option,
    yes_option,
)
from dativo_cli.running import run_and_answer
from dativo_cli.screen import Screen


@click.command(
    epilog=example("dativo run --config jobs/demo/orders_to_iceberg.yaml", "dativo run --job-dir jobs/demo --json")
)
@job_options
@secret_options
@objects_option
@click.option("--full-refresh", is_flag=True, help="Read everything again and replace the tables.")
@click.option("--dry-run", is_flag=True, help="Read and enforce, write nothing.")
@wait_option
@log_format_option
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

    def prepare() -> tuple[Sequence[ResolvedJob], RunOptions]:
        loaded = load_jobs(jobs, secrets)
        options = RunOptions(
            full_refresh=full_refresh,
            objects=objects,
            dry_run=dry_run,
            wait=wait,
            secret_manager=secrets.secret_manager,
            concurrency_per_tenant=slots(loaded),
            tenant_sources=tenant_sources(jobs),
        )
        for job in loaded.jobs:
            pick_streams(job, objects)
        if full_refresh:
            _confirm_refresh(screen, [as_asked(job, options) for job in loaded.jobs], yes=yes)
        return loaded.jobs, options

    return run_and_answer(screen, prepare, log_format=log_format, as_json=as_json)


def _confirm_refresh(screen: Screen, jobs: Sequence[ResolvedJob], *, yes: bool) -> None:
    tables = ", ".join(str(stream.table) for job in jobs for stream in job.streams)
    screen.confirm(f"This reads everything again and replaces {tables}. Go on?", yes=yes)
