"""The dativo command: the table of its commands, and the edge where every error becomes one line and an exit code.

Nothing is imported here that `dativo --help` does not need: a command's module is imported when it is called.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import click
from dativo_engine.process import tune_process

from dativo_cli.options import debug_option, example
from dativo_cli.screen import Screen
from dativo_cli.stopping import Stopped, stopped_by_signal

FAILURE = 2


class Entry(NamedTuple):
    """A command: where it is, and what `dativo --help` says of it (the first line of its own help)."""

    path: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "init": Entry("dativo_cli.commands.init:init", "Make a project that runs at once, or add a job for a file."),
    "run": Entry("dativo_cli.commands.run:run", "Run a job, or all jobs of a tenant, once."),
    "start": Entry("dativo_cli.commands.start:start", "Run the jobs that a runner file lists."),
    "status": Entry("dativo_cli.commands.status:status", "Say whether the service does its work."),
    "validate": Entry("dativo_cli.commands.validate:validate", "Find every problem in the project's files."),
    "explain": Entry("dativo_cli.commands.explain:explain", "Say what a job will do."),
    "check": Entry("dativo_cli.commands.check:check", "Try whether a job reaches all it needs."),
    "discover": Entry("dativo_cli.commands.discover:discover", "Show what a source offers, and propose a contract."),
    "preview": Entry("dativo_cli.commands.preview:preview", "Show the first rows as the table would get them."),
    "schema": Entry("dativo_cli.commands.schema:schema", "Write JSON Schemas, so that editors check the YAML."),
    "contract": Entry("dativo_cli.commands.contract:contract", "Work on data contracts."),
    "connectors": Entry("dativo_cli.commands.connectors:connectors", "List connectors and their options."),
    "state": Entry("dativo_cli.commands.state:state", "Show or change where jobs stand."),
    "quarantine": Entry("dativo_cli.commands.quarantine:quarantine", "Look after rows that broke their contract."),
    "table": Entry(
        "dativo_cli.commands.table:table", "Look at the tables that jobs write, roll them back, maintain them."
    ),
    "branches": Entry(
        "dativo_cli.commands.branches:branches", "List the branches of tenants on Nessie, and what is not merged on."
    ),
    "completion": Entry("dativo_cli.commands.completion:completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order they are listed in."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.path.partition(":")
        return getattr(import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a misspelt name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from dativo_config.problems import closest  # only a slip of the pen pays for it

            ctx.fail(f"no such command '{name}'; {closest(name, COMMANDS) or '`dativo --help` lists the commands'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List the commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value:
        from importlib.metadata import version  # 20 ms that only this option pays

        click.echo(f"dativo {version('dativo-cli')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("dativo init my-project", "dativo run --config jobs/demo/orders_to_iceberg.yaml"),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
@debug_option
@click.pass_context
def dativo(ctx: click.Context) -> int:
    """Load SaaS, database and file data into Apache Iceberg, tenant by tenant, exactly once."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return FAILURE
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; answers the exit code: 0 done, 1 some rows rejected, 2 failure."""
    with stopped_by_signal():
        tune_process()
        screen = Screen()
        try:
            answer = dativo.main(arguments, prog_name="dativo", standalone_mode=False, obj=screen)
        except click.ClickException as error:
            error.show()
        except click.Abort:
            screen.error("stopped")
        except Stopped as stop:
            return _told_to_stop(screen, stop, sys.argv[1:] if arguments is None else arguments)
        except Exception as error:  # noqa: BLE001 - the edge: below it every error is passed on
            screen.failure(error)
        else:
            return answer if isinstance(answer, int) else 0
        return FAILURE


def _told_to_stop(screen: Screen, stop: Stopped, arguments: Sequence[str]) -> int:
    """End a command that had no handler of its own yet: as the service ends, or as a failure."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already
    words = [argument for argument in arguments if not argument.startswith("-")]
    serves = words[:1] == ["start"] and "orchestrated" in words
    message = f"stopped by {stop}" + (" before it was ready" if serves else "")
    if screen.errors_to_terminal or words[:1] not in (["start"], ["run"]):
        screen.error(message)
    else:  # its lines are JSON
        from dativo_engine.errors import RunStoppedError
        from dativo_engine.events import EventLog

        told = {} if serves else {"error": message, "code": RunStoppedError.code, "exit_code": FAILURE}
        EventLog().emit(
            "orchestrator_stopped" if serves else "job_error", message, level="INFO" if serves else "ERROR", **told
        )
    return 0 if serves else FAILURE
