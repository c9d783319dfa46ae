"""`dativo quarantine`: the rows that broke their contract, kept beside their table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import islice

import click
from dativo_config.models.resolved import ResolvedJob
from dativo_config.wording import counted
from dativo_engine.commits.quarantine import Quarantine, quarantines
from dativo_engine.events import Format
from dativo_engine.results import RunOptions

from dativo_cli.commands.preview import show_rejected
from dativo_cli.jobs import load_jobs, one_job, only_job, pick_streams, slots, tenant_sources, with_secrets
from dativo_cli.logs import warnings_only
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
from dativo_cli.screen import STRONG, Json, Screen

SHOWN_ROWS = 20
# How long the service keeps them too.
KEPT_DAYS = 90
runs_option = click.option(
    "--run", "runs", multiple=True, metavar="RUN", help="Only what this run rejected, as `show` names it; repeatable."
)


@click.group()
def quarantine() -> None:
    """Look after rows that broke their contract.

    In warn mode they are kept in <table>__rejected, with where they came from and why.
    """


@quarantine.command(epilog=example("dativo quarantine show --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@objects_option
@runs_option
@click.option("--rows", type=click.IntRange(min=0), default=SHOWN_ROWS, show_default=True, help="How many to show.")
@json_option
@click.pass_obj
def show(
    screen: Screen,
    *,
    jobs: JobFlags,
    secrets: SecretFlags,
    objects: tuple[str, ...],
    runs: tuple[str, ...],
    rows: int,
    as_json: bool,
) -> None:
    """Show rejected rows, by run.

    --json: a list with table, runs with name, rows, rejected_at, and rows with run_id, attempt, rejected_at, stream,
    source, row, line, reasons, record.
    """
    found = [(place, _first(place, runs, rows)) for place in _quarantines(screen, jobs, secrets, objects)]
    if as_json:
        screen.json([_as_json(place, rejected) for place, rejected in found])
        return
    for place, rejected in found:
        listed = place.runs()
        screen.line(f"{place.table.quarantine}: {counted(sum(run.rows for run in listed), 'row')}", STRONG)
        if listed:
            lines = [(run.name, run.rows, run.rejected_at.isoformat(timespec="seconds")) for run in listed]
            screen.table(["run", "rows", "rejected"], lines, right=("rows",))
            screen.line()
            show_rejected(screen, rejected)


@quarantine.command(epilog=example("dativo quarantine replay --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@runs_option
@wait_option
@log_format_option
@json_option
@click.pass_obj
def replay(
    screen: Screen,
    *,
    jobs: JobFlags,
    secrets: SecretFlags,
    runs: tuple[str, ...],
    wait: bool,
    log_format: Format | None,
    as_json: bool,
) -> int:
    """Put rejected rows through the contract as it is now.

    Rows that keep it get into the table, as the job's rows do, and leave the quarantine in the same commit; the others
    stay in quarantine. The job's cursor does not move.

    Exit codes, logs and the object of --json are those of `dativo run`.
    """

    def prepare() -> tuple[Sequence[ResolvedJob], RunOptions]:
        loaded = load_jobs(jobs, secrets)
        options = RunOptions(
            replay=runs,
            wait=wait,
            secret_manager=secrets.secret_manager,
            concurrency_per_tenant=slots(loaded),
            tenant_sources=tenant_sources(jobs),
        )
        return [only_job(loaded)], options

    return run_and_answer(screen, prepare, log_format=log_format, as_json=as_json)


@quarantine.command(
    epilog=example("dativo quarantine purge --config jobs/demo/orders_to_iceberg.yaml --older-than 30 --yes")
)
@job_options
@secret_options
@objects_option
@runs_option
@click.option(
    "--older-than", type=click.IntRange(min=0), metavar="DAYS", help=f"[default: {KEPT_DAYS}, unless --run is given]"
)
@yes_option
@click.pass_obj
def purge(
    screen: Screen,
    *,
    jobs: JobFlags,
    secrets: SecretFlags,
    objects: tuple[str, ...],
    runs: tuple[str, ...],
    older_than: int | None,
    yes: bool,
) -> None:
    """Delete rejected rows for good."""
    days = KEPT_DAYS if older_than is None and not runs else older_than
    what = " and ".join([*([f"older than {days} days"] if days is not None else []), *(f"of {run}" for run in runs)])
    screen.confirm(f"This deletes the rejected rows {what} for good. Go on?", yes=yes)
    before = None if days is None else dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    events = warnings_only(screen)
    for place in _quarantines(screen, jobs, secrets, objects):
        count = place.purge(before=before, runs=runs, events=events)
        screen.line(f"{place.table.quarantine}: {counted(count, 'row')} deleted")


def _quarantines(
    screen: Screen, jobs: JobFlags, secrets: SecretFlags, objects: tuple[str, ...]
) -> Sequence[Quarantine]:
    job = one_job(jobs, secrets)
    tables = {stream.table for stream in pick_streams(job, objects)}
    return [place for place in quarantines(with_secrets(job, secrets, screen)) if place.table in tables]


def _first(place: Quarantine, runs: Sequence[str], count: int) -> list[dict[str, Json]]:
    rows = (row for batch in place.rows(runs) for row in batch.to_pylist())
    return list(islice(rows, count))


def _as_json(place: Quarantine, rejected: list[dict[str, Json]]) -> Json:
    return {
        "table": str(place.table.quarantine),
        "runs": [
            {"name": run.name, "rows": run.rows, "rejected_at": run.rejected_at.isoformat()} for run in place.runs()
        ],
        "rows": rejected,
    }
