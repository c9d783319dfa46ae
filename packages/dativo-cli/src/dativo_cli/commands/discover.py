"""`dativo discover`: the streams of a source with their columns, and a contract proposed from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from dativo_engine.connectors import open_source
from dativo_engine.interfaces import StreamInfo
from dativo_engine.memory import MEBIBYTE

from dativo_cli.jobs import one_job, with_secrets
from dativo_cli.options import JobFlags, SecretFlags, example, job_options, json_option, secret_options
from dativo_cli.proposal import propose_contract
from dativo_cli.screen import STRONG, Json, Screen
from dativo_cli.sources import open_connector


@click.command(
    epilog=example(
        "dativo discover --config jobs/demo/orders_to_iceberg.yaml",
        "dativo discover --connector csv data/demo/orders.csv --write-contract assets/proposed.yaml",
    )
)
@click.argument("inputs", nargs=-1)
@job_options
@secret_options
@click.option("--connector", metavar="NAME", help="Ask a connector, or a recipe file's, without a job.")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="An option of --connector; may be repeated."
)
@click.option(
    "--write-contract",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Propose a contract from the data; an existing file is kept.",
)
@click.option("--verbose", is_flag=True, help="Also say what the connector tells of each stream.")
@json_option
@click.pass_obj
def discover(  # noqa: PLR0913 - one parameter a flag
    screen: Screen,
    *,
    inputs: tuple[str, ...],
    jobs: JobFlags,
    secrets: SecretFlags,
    connector: str | None,
    options: tuple[str, ...],
    write_contract: Path | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Show what a source offers, and propose a contract.

    The source is that of a job (--config), or of a connector by its name with INPUTS, the files or URLs to look into,
    or of a recipe file (--connector connectors/NAME.yaml) with INPUTS, the objects.

    --json: a list of streams with name, primary_key, cursor_candidates, detail, and columns with name, type, nullable.
    """
    if connector is not None and jobs.config is not None:
        message = "give --config or --connector, not both"
        raise click.UsageError(message)
    if connector is not None:
        source = open_connector(connector, inputs, options, project=jobs.project or Path.cwd())
    else:
        if inputs or options:
            message = "INPUTS and --option go with --connector"
            raise click.UsageError(message)
        from dativo_engine.pipeline import source_settings

        job = with_secrets(one_job(jobs, secrets), secrets, screen)
        source = open_source(source_settings(job, memory_bytes=64 * MEBIBYTE))
    streams = source.discover()
    if write_contract is not None:
        _write(write_contract, propose_contract(streams))
        screen.note(f"wrote {write_contract}; read it before you rely on it")
    if as_json:
        screen.json([_as_json(stream) for stream in streams])
    else:
        _show(screen, streams, verbose=verbose)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)


def _show(screen: Screen, streams: Sequence[StreamInfo], *, verbose: bool) -> None:
    for number, stream in enumerate(streams):
        if number:
            screen.line()
        screen.line(f"{stream.name}: {len(stream.arrow_schema)} columns", STRONG)
        if stream.primary_key:
            screen.line(f"primary key: {', '.join(stream.primary_key)}")
        if stream.cursor_candidates:
            screen.line(f"cursor candidates: {', '.join(stream.cursor_candidates)}")
        if verbose and stream.detail:
            screen.line(stream.detail)
        rows = [(field.name, field.type, "" if field.nullable else "required") for field in stream.arrow_schema]
        screen.table(["column", "type", ""], rows)


def _as_json(stream: StreamInfo) -> Json:
    return {
        "name": stream.name,
        "primary_key": list(stream.primary_key),
        "cursor_candidates": list(stream.cursor_candidates),
        "detail": stream.detail,
        "columns": [
            {"name": field.name, "type": str(field.type), "nullable": field.nullable} for field in stream.arrow_schema
        ],
    }
