"""`dativo schema`: JSON Schemas of the files, so that editors complete and check the YAML."""

from __future__ import annotations

from pathlib import Path

import click
from dativo_engine.connectors import specs

from dativo_cli.options import debug_option, example
from dativo_cli.schemas import write_schemas
from dativo_cli.screen import Screen


@click.command(epilog=example("dativo schema --out .dativo/schemas"))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder to write them to; made if missing.",
)
@debug_option
@click.pass_obj
def schema(screen: Screen, *, out: Path) -> None:
    """Write JSON Schemas, so that editors check the YAML.

    A YAML file takes one with its first line: `# yaml-language-server: $schema=../../.dativo/schemas/job.schema.json`.
    """
    for file in write_schemas(out, specs()):
        screen.line(str(file))
