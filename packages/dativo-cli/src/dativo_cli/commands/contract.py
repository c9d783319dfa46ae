"""`dativo contract`: `convert` turns the older flat form into the standard's."""

from __future__ import annotations

from pathlib import Path

import click
from dativo_config.contracts import convert as convert_contract
from dativo_config.document import read_document
from dativo_config.problems import ConfigError

from dativo_cli.options import FILE, debug_option, example
from dativo_cli.screen import Screen


@click.group()
def contract() -> None:
    """Work on data contracts."""


@contract.command(epilog=example("dativo contract convert assets/orders/v1.0/orders.yaml"))
@click.argument("file", type=FILE)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here; an existing file is kept.  [default: standard output]",
)
@debug_option
@click.pass_obj
def convert(screen: Screen, *, file: Path, out: Path | None) -> None:
    """Write a contract of the flat form as an ODCS v3 document.

    A contract that is in the standard's form already comes out as it is.
    """
    document, problems = read_document(file)
    if document is None or problems:
        raise ConfigError(problems)
    text = convert_contract(document)
    if out is None:
        screen.line(text.rstrip("\n"))
        return
    with out.open("x", encoding="utf-8") as stream:
        stream.write(text)
    screen.note(f"wrote {out}")
