"""`dativo completion`: the script that makes a shell complete commands, flags and file names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from dativo_cli.options import example

SHELLS = ("bash", "zsh", "fish")


@click.command(epilog=example("dativo completion bash > dativo-completion.bash"))
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script of a shell.

    bash: source it in ~/.bashrc; zsh: in ~/.zshrc; fish: keep it as ~/.config/fish/completions/dativo.fish.
    """
    complete = get_completion_class(shell)
    if complete is None:
        message = f"{shell} can't be completed"
        raise click.BadParameter(message)
    click.echo(complete(ctx.find_root().command, {}, "dativo", "_DATIVO_COMPLETE").source())
