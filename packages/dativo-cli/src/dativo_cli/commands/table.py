"""`dativo table`: what the tables of a job are and how they came to be; take them back, keep them in shape."""

from __future__ import annotations

import re
import shlex
import sys
from functools import partial
from pathlib import Path

import click
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_config.problems import shown_file
from dativo_config.wording import counted
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.tables import TableView
from dativo_engine.commits.tables import show as view_table
from dativo_engine.contracts.jsontext import python_rows
from dativo_engine.maintenance.work import KEPT_DAYS, KEPT_QUARANTINE_DAYS, KEPT_SNAPSHOTS, Kept, Work

from dativo_cli.jobs import one_job, pick_stream, pick_streams, with_secrets
from dativo_cli.logs import warnings_only
from dativo_cli.options import (
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
from dativo_cli.screen import STRONG, Json, Screen
from dativo_cli.summary import human_size

SAMPLE_ROWS = 5


@click.group()
def table() -> None:
    """Look at the tables that jobs write, roll them back, maintain them."""


@table.command(epilog=example("dativo table show --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@objects_option
@click.option("--sample", type=click.IntRange(min=0), default=SAMPLE_ROWS, show_default=True, help="Rows to show.")
@json_option
@click.pass_obj
def show(
    screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, objects: tuple[str, ...], sample: int, as_json: bool
) -> None:
    """Show where a table is, what is in it, and how to read it with DuckDB.

    --json: an object (a list, if the job writes several tables) with table, metadata_location, location, snapshot_id,
    rows, files, size, columns, primary_key, partition_spec, sort_order, properties, stamp, snapshots, and duckdb, the
    command that reads it; null where there is no table yet.
    """
    job, names = _tables(screen, jobs, secrets, objects)
    views = [(name, view_table(job, name)) for name in names]
    if as_json:
        objects_shown = [_as_json(view) for _, view in views]
        screen.json(objects_shown[0] if len(objects_shown) == 1 else objects_shown)
        return
    for number, (name, view) in enumerate(views):
        if number:
            screen.line()
        if view is None:
            screen.line(f"{name}: not there yet; the first run that commits makes it")
        else:
            _show(screen, view)
            _show_rows(screen, job, name, sample)
            screen.line()
            screen.line("read it with DuckDB", STRONG)
            screen.line(f"  {duckdb_command(view.metadata_location)}")


@table.command(epilog=example("dativo table snapshots --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@objects_option
@json_option
@click.pass_obj
def snapshots(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, objects: tuple[str, ...], as_json: bool) -> None:
    """List a table's snapshots, the newest first.

    --json: a list with table, and snapshots with snapshot_id, parent_id, committed_at, operation, current, added_rows,
    deleted_rows, rows, and stamps, the place of each job as of that snapshot.
    """
    job, names = _tables(screen, jobs, secrets, objects)
    views = [view for name in names if (view := view_table(job, name)) is not None]
    if as_json:
        screen.json([{"table": view.table, "snapshots": view.to_json()["snapshots"]} for view in views])
        return
    if not views:
        screen.line("no table yet; the first run that commits makes it")
    for view in views:
        screen.line(view.table, STRONG)
        rows = [
            (
                str(item.snapshot_id),
                item.committed_at,
                item.operation,
                item.added_rows,
                item.deleted_rows,
                item.rows,
                "" if item.current else "not in the current chain",
            )
            for item in view.snapshots
        ]
        columns = ["snapshot", "committed", "operation", "added", "deleted", "rows", ""]
        screen.table(columns, rows, right=("added", "deleted", "rows"))


@table.command(epilog=example("dativo table rollback --steps 0 --config jobs/demo/orders_to_iceberg.yaml --yes"))
@job_options
@secret_options
@object_option
@click.option("--to", "snapshot", type=int, metavar="SNAPSHOT", help="The snapshot to show again.")
@click.option("--steps", type=click.IntRange(min=0), metavar="N", help="Or how many snapshots to go back.")
@yes_option
@click.pass_obj
def rollback(
    screen: Screen,
    *,
    jobs: JobFlags,
    secrets: SecretFlags,
    object_name: str | None,
    snapshot: int | None,
    steps: int | None,
    yes: bool,
) -> None:
    """Show an earlier state of a table again.

    Where the jobs stand goes back with it: their next runs load again what came after. Until `table maintain` expires
    them, later snapshots can be shown again in the same way.
    """
    if (snapshot is None) == (steps is None):
        message = "give --to SNAPSHOT or --steps N; `dativo table snapshots` lists them"
        raise click.UsageError(message)
    from dativo_engine.maintenance.rollback import current, earlier, roll_back  # takes a second to import

    job = one_job(jobs, secrets)
    name = pick_stream(job, object_name).table
    opened = with_secrets(job, secrets, screen)
    present = current(opened, name)
    chosen = snapshot if snapshot is not None else earlier(opened, name, steps or 0)
    screen.confirm(f"This takes {name} and the cursors of its jobs back to snapshot {chosen}. Go on?", yes=yes)
    roll_back(opened, name, chosen, present=present, events=warnings_only(screen))
    screen.line(f"{name}: at snapshot {chosen}; the next run of {job.name} goes on from there")


@table.command(
    epilog=example(
        "dativo table maintain --config jobs/demo/orders_to_iceberg.yaml",
        "dativo table maintain --config jobs/demo/orders_to_iceberg.yaml --keep-days 30 --yes",
    )
)
@job_options
@secret_options
@objects_option
@click.option(
    "--keep-days", type=click.IntRange(min=0), default=KEPT_DAYS, show_default=True, help="Keep younger snapshots,"
)
@click.option(
    "--keep-snapshots",
    type=click.IntRange(min=1),
    default=KEPT_SNAPSHOTS,
    show_default=True,
    help="and at least so many.",
)
@click.option(
    "--keep-rejected-days",
    type=click.IntRange(min=0),
    default=KEPT_QUARANTINE_DAYS,
    show_default=True,
    help="Keep younger rejected rows.",
)
@click.option("--yes", "-y", is_flag=True, help="Do it. Without it nothing is changed.")
@json_option
@click.pass_obj
def maintain(  # noqa: PLR0913 - one parameter a flag
    screen: Screen,
    *,
    jobs: JobFlags,
    secrets: SecretFlags,
    objects: tuple[str, ...],
    keep_days: int,
    keep_snapshots: int,
    keep_rejected_days: int,
    yes: bool,
    as_json: bool,
) -> None:
    """Keep a table small and fast; shows what it would do, and with --yes does it.

    Small files become files of the target size in the table's sort order, with delete files applied; old snapshots
    expire; files that nothing names and rejected rows that were kept long enough are deleted. Safe beside
    running loads.

    --json: a list with table, rejected_rows, snapshots, small_files, into_files (null: not done), orphans and
    orphan_bytes.
    """
    from dativo_engine.maintenance import maintain as maintenance  # takes a second to import

    job, names = _tables(screen, jobs, secrets, objects)
    kept, events = Kept(keep_days, keep_snapshots, keep_rejected_days), warnings_only(screen)
    do = partial(maintenance.maintain, events=events) if yes else maintenance.survey
    found = [do(job, name, kept) for name in names]
    works = [work for work in found if work is not None]
    if as_json:
        screen.json([work.to_json() for work in works])
        return
    for work in works:
        screen.line(work.table, STRONG)
        screen.facts(_work(work))
    if not yes:
        screen.line("nothing was changed; --yes does it")


def _work(work: Work) -> list[tuple[str, str]]:
    became = "" if work.into_files is None or not work.small_files else f", now {work.into_files:,}"
    return [
        ("snapshots to expire" if work.into_files is None else "snapshots expired", f"{work.snapshots:,}"),
        ("small files", f"{work.small_files:,}{became}"),
        ("files nothing names", f"{work.orphans:,}, {human_size(work.orphan_bytes)}"),
        ("rejected rows kept long enough", f"{work.rejected_rows:,}"),
    ]


def duckdb_command(metadata_location: str) -> str:
    """The command that reads a table: with the DuckDB that comes with dativo, for it is there for sure."""
    code = (
        "import duckdb; duckdb.install_extension('iceberg'); duckdb.load_extension('iceberg'); "
        f"duckdb.table_function('iceberg_scan', [{metadata_location!r}]).limit(10).show()"
    )
    return f"{shlex.quote(shown_file(Path(sys.executable)))} -c {_in_double_quotes(code)}"


def _in_double_quotes(text: str) -> str:
    """A word of a shell command; easier on the eye than `shlex.quote` where the text has single quotes."""
    return '"' + re.sub(r'(["$`\\])', r"\\\1", text) + '"'


def _tables(
    screen: Screen, jobs: JobFlags, secrets: SecretFlags, objects: tuple[str, ...]
) -> tuple[ResolvedJob, list[TableName]]:
    job = one_job(jobs, secrets)
    names = list(dict.fromkeys(stream.table for stream in pick_streams(job, objects)))
    return with_secrets(job, secrets, screen), names


def _as_json(view: TableView | None) -> Json:
    return None if view is None else {**view.to_json(), "duckdb": duckdb_command(view.metadata_location)}


def _show(screen: Screen, view: TableView) -> None:
    screen.line(view.table, STRONG)
    screen.facts(
        [
            ("location", view.location),
            ("metadata", view.metadata_location),
            ("snapshot", str(view.snapshot_id)),
            ("rows", f"{view.rows:,} in {counted(view.files, 'file')}, {human_size(view.size)}"),
            ("key", ", ".join(view.primary_key) or "none"),
            ("partitions", ", ".join(view.partition_spec) or "none"),
            ("sorted by", ", ".join(view.sort_order) or "nothing"),
        ]
    )
    screen.line()
    rows = [(item.name, item.type, "required" if item.required else "", item.doc) for item in view.columns]
    screen.table(["column", "type", "", "meaning"], rows)


def _show_rows(screen: Screen, job: ResolvedJob, name: TableName, count: int) -> None:
    if not count:
        return
    found = open_catalog(job).load_table((*name.namespace, name.table)).scan(limit=count).to_arrow()
    screen.line()
    screen.table(found.column_names, [list(row.values()) for row in python_rows(found)])
