"""`dativo preview`: the first rows after enforcement, and what would be rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from dativo_config.wording import counted

from dativo_cli.jobs import one_job, pick_streams, with_secrets
from dativo_cli.options import JobFlags, SecretFlags, example, job_options, json_option, objects_option, secret_options
from dativo_cli.samples import Sample, first_rows
from dativo_cli.screen import DOUBTFUL, STRONG, Json, Screen

SHOWN_ROWS = 10


@click.command(epilog=example("dativo preview --config jobs/demo/orders_to_iceberg.yaml --rows 3"))
@job_options
@secret_options
@objects_option
@click.option("--rows", type=click.IntRange(min=1), default=SHOWN_ROWS, show_default=True, help="How many to read.")
@json_option
@click.pass_obj
def preview(
    screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, objects: tuple[str, ...], rows: int, as_json: bool
) -> None:
    """Show the first rows as the table would get them.

    And the rows among them that the contract rejects, with the reasons. Rules over a whole run are not judged, and
    nothing is written.

    --json: a list with stream, table, read, columns, rows, and rejected with source, row, line, reasons, record.
    """
    job = one_job(jobs, secrets)
    streams = pick_streams(job, objects)
    samples = first_rows(with_secrets(job, secrets, screen), streams, rows)
    if as_json:
        screen.json([_as_json(sample) for sample in samples])
        return
    for sample in samples:
        screen.line(f"{sample.stream} -> {sample.table}: first {counted(sample.read, 'row')}", STRONG)
        screen.table(list(sample.columns), [[row[name] for name in sample.columns] for row in sample.rows])
        if sample.rejected:
            screen.line()
            screen.line(f"{len(sample.rejected)} of them would be rejected", DOUBTFUL)
            show_rejected(screen, sample.rejected)


def show_rejected(screen: Screen, rejected: Sequence[Mapping[str, Json]]) -> None:
    """Rejected rows: where each came from, why, and what it was."""
    rows = [(_place(row), "; ".join(_reasons(row)), row["record"]) for row in rejected]
    screen.table(["where", "why", "record"], rows)


def _place(row: Mapping[str, Json]) -> str:
    number = f", row {row['row']}" if row["row"] is not None else ""
    line = f", line {row['line']}" if row["line"] is not None and row["row"] is None else ""
    return f"{row['source']}{number}{line}"


def _reasons(row: Mapping[str, Json]) -> list[str]:
    reasons = row["reasons"]
    if not isinstance(reasons, list):
        return []
    return [
        f"{reason['column']}: {reason['message']}" if reason["column"] else str(reason["message"])
        for reason in reasons
        if isinstance(reason, Mapping)
    ]


def _as_json(sample: Sample) -> Json:
    return {
        "stream": sample.stream,
        "table": sample.table,
        "read": sample.read,
        "columns": sample.columns,
        "rows": sample.rows,
        "rejected": sample.rejected,
    }
