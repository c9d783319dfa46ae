"""`dativo init`: a project that runs at once, or a job for a file."""

from __future__ import annotations

from pathlib import Path

import click

from dativo_cli.newproject import add_job, make_project
from dativo_cli.options import debug_option, example
from dativo_cli.screen import Screen


@click.command(epilog=example("dativo init my-project", "dativo init --from data/demo/orders.csv --name more_orders"))
@click.argument("folder", metavar="[NAME]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--from", "location", metavar="FILE | URL", help="Write a job and a proposed contract for this.")
@click.option("--name", help="What to call the job and its table.  [default: made from the file's name]")
@click.option("--tenant-id", help="Whose job it is.  [default: as its folder says, else the only one]")
@debug_option
@click.pass_obj
def init(screen: Screen, *, folder: Path, location: str | None, name: str | None, tenant_id: str | None) -> None:
    """Make a project that runs at once, or add a job for a file.

    Without --from: a folder NAME with a small CSV, its contract, and a job that loads it. With --from: in the project
    (a new one, if NAME is none yet), a job that loads the file or URL and a contract proposed from its data; a file
    outside the project is copied into it. Existing files are never overwritten.
    """
    if location is None:
        if name or tenant_id:
            message = "--name and --tenant-id go with --from"
            raise click.UsageError(message)
        made = make_project(folder)
        job = "jobs/demo/orders_to_iceberg.yaml"
    else:
        made = add_job(folder, location, name=name, tenant_id=tenant_id)
        job = str(made[0].relative_to(folder))
    for file in made:
        screen.line(f"wrote {file}")
    screen.line()
    screen.line("Next:")
    if folder.absolute() != Path.cwd():
        screen.line(f"  cd {folder}")
    if location is not None:
        screen.line(f"  dativo preview --config {job}")
    screen.line(f"  dativo run --config {job}")
