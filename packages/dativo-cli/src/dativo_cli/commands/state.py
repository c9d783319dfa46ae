"""`dativo state`: where a job stands, and how to start it from the beginning."""

from __future__ import annotations

import click
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.interfaces import Stamp
from dativo_engine.state import stamps
from dativo_engine.state.stamps import Standing

from dativo_cli.jobs import load_jobs, one_job, pick_streams, with_secrets
from dativo_cli.logs import warnings_only
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
from dativo_cli.screen import Json, Screen


@click.group()
def state() -> None:
    """Show or reset where jobs stand.

    A job's place is the stamp that its last run committed together with its rows, in the table itself.
    """


@state.command(epilog=example("dativo state show --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@json_option
@click.pass_obj
def show(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, as_json: bool) -> None:
    """Show the last committed run of each table, and where the next begins.

    --json: a list with job, tenant, table, exists, rows, other_jobs, and stamp with run_id, attempt, committed_at,
    snapshot_id, versions and cursors; stamp is null where no run was committed.
    """
    found = [
        (job, standing)
        for job in load_jobs(jobs, secrets).jobs
        for standing in stamps.show(with_secrets(job, secrets, screen))
    ]
    if as_json:
        screen.json([_as_json(job, standing) for job, standing in found])
        return
    rows = [
        (f"{job.tenant.id}/{job.name}", standing.table, standing.rows, *_told(standing.stamp))
        for job, standing in found
    ]
    screen.table(["job", "table", "rows", "last run", "committed", "snapshot"], rows, right=("rows",))


@state.command(epilog=example("dativo state reset --config jobs/demo/orders_to_iceberg.yaml --yes"))
@job_options
@secret_options
@objects_option
@yes_option
@click.pass_obj
def reset(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, objects: tuple[str, ...], yes: bool) -> None:
    """Let a job's next run begin from the start.

    Commits a stamp without cursors to each table. The rows stay: in append mode the next run may add them again, unless
    a primary key keeps them out.
    """
    job = one_job(jobs, secrets)
    tables = list(dict.fromkeys(stream.table for stream in pick_streams(job, objects)))
    named = ", ".join(str(table) for table in tables)
    screen.confirm(f"The next run of {job.name} reads everything again into {named}. Go on?", yes=yes)
    events = warnings_only(screen)
    opened = with_secrets(job, secrets, screen)
    for table in tables:
        stamps.reset(opened, table, events)
        screen.line(f"{table}: the next run of {job.name} begins from the start")


def _told(stamp: Stamp | None) -> tuple[str, str, str]:
    if stamp is None:
        return "none", "", ""
    return stamp.run_id, stamp.committed_at, str(stamp.snapshot_id or "")


def _as_json(job: ResolvedJob, standing: Standing) -> Json:
    stamp = standing.stamp
    return {
        "job": job.name,
        "tenant": job.tenant.id,
        "table": str(standing.table),
        "exists": standing.exists,
        "rows": standing.rows,
        "other_jobs": list(standing.other_jobs),
        "stamp": None
        if stamp is None
        else {
            "run_id": stamp.run_id,
            "attempt": stamp.attempt,
            "committed_at": stamp.committed_at,
            "snapshot_id": stamp.snapshot_id,
            "versions": dict(stamp.versions),
            "cursors": {stream: dict(cursor.value) for stream, cursor in stamp.cursors.items()},
        },
    }
