"""`dativo state`: where a job stands, and how to move it."""

from __future__ import annotations

import json
from pathlib import Path

import click
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.interfaces import Cursor, Stamp
from dativo_engine.results import describe_stamp
from dativo_engine.state import stamps
from dativo_engine.state.imports import read_cursors
from dativo_engine.state.stamps import Standing

from dativo_cli.jobs import load_jobs, one_job, pick_stream, pick_streams, with_secrets
from dativo_cli.logs import warnings_only
from dativo_cli.options import (
    FILE,
    JobFlags,
    SecretFlags,
    example,
    job_options,
    json_option,
    object_option,
    objects_option,
    secret_options,
    yes_option,
)
from dativo_cli.screen import Json, Screen


def _read_cursor(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> Cursor | None:
    if value is None:
        return None
    try:
        found = json.loads(value if value.lstrip().startswith("{") else Path(value).read_text())
    except (OSError, ValueError) as error:
        message = f"neither JSON nor a file that holds it: {error}"
        raise click.BadParameter(message) from error
    if not isinstance(found, dict):
        message = "a cursor is a JSON object; `dativo state show --json` shows the present one"
        raise click.BadParameter(message)
    return Cursor(found)


@click.group()
def state() -> None:
    """Show or change where jobs stand.

    A job's place is the stamp that its last run committed together with its rows, in the table itself.
    """


@state.command(epilog=example("dativo state show --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@json_option
@click.pass_obj
def show(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, as_json: bool) -> None:
    """Show the last committed run of each table, and where the next begins.

    The truth is in the table; the mirror in the state folder is a copy, and repaired from it.

    --json: a list with job, tenant, table, exists, rows, other_jobs, mirror (same, differs or missing), and stamp with
    run_id, attempt, committed_at, snapshot_id, versions and cursors; stamp is null where no run was committed.
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
        (f"{job.tenant.id}/{job.name}", standing.table, standing.rows, *_told(standing.stamp), standing.mirror)
        for job, standing in found
    ]
    screen.table(["job", "table", "rows", "last run", "committed", "snapshot", "mirror"], rows, right=("rows",))


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


@state.command(
    "set", epilog=example("""dativo state set '{"files": {}}' --config jobs/demo/orders_to_iceberg.yaml --yes""")
)
@click.argument("cursor", metavar="CURSOR", callback=_read_cursor)
@job_options
@secret_options
@object_option
@yes_option
@click.pass_obj
def set_(
    screen: Screen, *, cursor: Cursor, jobs: JobFlags, secrets: SecretFlags, object_name: str | None, yes: bool
) -> None:
    """Let a stream's next run begin at a cursor.

    CURSOR is a JSON object as `dativo state show --json` prints it under cursors, or a file that holds one. It is
    committed to the table, which is made if it is not there yet; the job's other streams stay where they are.
    """
    job = one_job(jobs, secrets)
    stream = pick_stream(job, object_name)
    screen.confirm(f"The next run of {job.name} reads {stream.name} from there on. Go on?", yes=yes)
    opened = with_secrets(job, secrets, screen)
    stamps.set_cursors(opened, stream.table, {stream.name: cursor}, warnings_only(screen))
    screen.line(f"{stream.table}: the next run of {job.name} reads {stream.name} from there on")


@state.command(epilog=example("dativo state adopt --config jobs/demo/orders_to_iceberg.yaml --yes"))
@job_options
@secret_options
@objects_option
@click.option("--cursor", callback=_read_cursor, help="Where to begin: a JSON object, or a file that holds it.")
@yes_option
@click.pass_obj
def adopt(
    screen: Screen,
    *,
    jobs: JobFlags,
    secrets: SecretFlags,
    objects: tuple[str, ...],
    cursor: Cursor | None,
    yes: bool,
) -> None:
    """Let a job go on loading a table that it did not make.

    The table has rows and no place of this job. It gets one: with --cursor (of one stream) the next run begins there,
    else from the start, beside the rows that are there.
    """
    job = one_job(jobs, secrets)
    streams = pick_streams(job, objects)
    if cursor is not None and len(streams) != 1:
        message = "--cursor is of one stream; say which with --object"
        raise click.UsageError(message)
    tables = list(dict.fromkeys(stream.table for stream in streams))
    screen.confirm(f"{job.name} goes on loading {', '.join(map(str, tables))}. Go on?", yes=yes)
    opened, events = with_secrets(job, secrets, screen), warnings_only(screen)
    for table in tables:
        stamps.adopt(opened, table, {} if cursor is None else {streams[0].name: cursor}, events)
        screen.line(f"{table}: {job.name} goes on from {'its start' if cursor is None else 'the cursor given'}")


@state.command(
    "import", epilog=example("dativo state import --from orders_before --config jobs/demo/orders_to_iceberg.yaml --yes")
)
@job_options
@secret_options
@click.option("--from", "old", metavar="JOB", help="The job's earlier name.")
@click.option("--file", "file", type=FILE, help="Cursors in a file: of the older format, or of `state show --json`.")
@yes_option
@click.pass_obj
def import_(
    screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, old: str | None, file: Path | None, yes: bool
) -> None:
    """Take over where a job stood before it was renamed, or before it was one of dativo's.

    --from moves the place of the tenant's job JOB to this one, in one commit for each table.

    --file takes JSON: cursors by stream; one cursor, if the job has one stream; the answer of `state show --json`; or,
    for files, {"file_NAME": {"last_modified": TIME}}, where files that have not changed since count as loaded.
    """
    if (old is None) == (file is None):
        message = "give --from JOB or --file FILE"
        raise click.UsageError(message)
    job = one_job(jobs, secrets)
    screen.confirm(f"{job.name} goes on where {old or file} stood. Go on?", yes=yes)
    opened, events = with_secrets(job, secrets, screen), warnings_only(screen)
    if old is not None:
        for table in dict.fromkeys(stream.table for stream in job.streams):
            stamps.take_over(opened, table, old, events)
            screen.line(f"{table}: {job.name} goes on where {old} stood")
    if file is not None:
        cursors = read_cursors(opened, file)
        for stream in job.streams:
            if stream.name in cursors:
                stamps.set_cursors(opened, stream.table, {stream.name: cursors[stream.name]}, events)
                screen.line(f"{stream.table}: {job.name} goes on reading {stream.name} where {file} says")


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
        "mirror": standing.mirror,
        "stamp": None if stamp is None else describe_stamp(stamp),
    }
