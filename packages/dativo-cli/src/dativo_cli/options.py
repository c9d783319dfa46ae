"""Flags that several commands share, each said once; `JobFlags` and `SecretFlags` carry them to where they are used."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import click
from dativo_config.project import IMAGE_HOME

from dativo_cli.screen import Screen

P = ParamSpec("P")
R = TypeVar("R")
Decorated = TypeVar("Decorated", bound=Callable[..., object])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
# Of the project: that they are missing or can't be read is for the loader to find, whose problems go to the log too.
PROJECT_FILE = click.Path(dir_okay=False, readable=False, path_type=Path)
PROJECT_FOLDER = click.Path(file_okay=False, readable=False, path_type=Path)
UNAVAILABLE_MANAGERS = ("vault", "aws", "gcp")


@dataclass(frozen=True, slots=True)
class JobFlags:
    """Which job files, and as whose. Neither `config` nor `job_dir`: the whole project."""

    config: Path | None
    job_dir: Path | None
    project: Path | None
    tenant_id: str | None


@dataclass(frozen=True, slots=True)
class SecretFlags:
    """Where secrets are looked up, and what kind of place dativo runs in."""

    secrets_dir: Path | None
    secret_manager: str | None
    mode: Literal["self_hosted", "cloud"]


NO_SECRET_FLAGS = SecretFlags(secrets_dir=None, secret_manager=None, mode="self_hosted")


def example(*lines: str) -> str:
    """The examples that end a command's help; each runs in a project as `dativo init` makes it."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def _set_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value:
        ctx.ensure_object(Screen).debug = True


debug_option = click.option(
    "--debug",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_debug,
    help="Show the traceback of a failure.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
objects_option = click.option(
    "--object", "objects", multiple=True, metavar="NAME", help="Only this stream of the job; may be repeated."
)
object_option = click.option("--object", "object_name", metavar="NAME", help="Which stream, if the job has several.")
wait_option = click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Wait for a run slot of the tenant, or fail."
)
log_format_option = click.option(
    "--log-format", type=click.Choice(["json", "text"]), help="[default: text on a terminal, else json]"
)
runner_option = click.option(
    "--runner-config",
    type=PROJECT_FILE,
    default=IMAGE_HOME / "configs" / "runner.yaml",
    show_default=True,
    help="The runner file; /app is the project where there is no /app.",
)
project_option = click.option("--project", type=FOLDER, help="The project folder.  [default: found from the files]")


def job_options(command: Callable[P, R]) -> Callable[P, R]:
    """`--config`, `--job-dir`, `--project`, `--tenant-id`, handed over as `jobs: JobFlags`."""
    return collected(
        command,
        "jobs",
        JobFlags,
        click.option("--config", type=PROJECT_FILE, help="One job file."),
        click.option("--job-dir", type=PROJECT_FOLDER, help="A folder of job files of one tenant."),
        project_option,
        click.option("--tenant-id", help="Refuse jobs of any other tenant."),
        debug_option,
    )


def secret_options(command: Callable[P, R]) -> Callable[P, R]:
    """`--secrets-dir`, `--secret-manager`, `--mode` and their kin, handed over as `secrets: SecretFlags`."""
    return collected(
        command,
        "secrets",
        SecretFlags,
        click.option(
            "--secrets-dir",
            type=click.Path(file_okay=False, path_type=Path),
            help="The folder of secret files.  [default: secrets]",
        ),
        click.option(
            "--secret-manager",
            type=click.Choice(["env", "filesystem", *UNAVAILABLE_MANAGERS]),
            envvar="DATIVO_SECRET_MANAGER",
            callback=_refuse_unavailable,
            help="Look secrets up here only.  [default: env, then filesystem]",
        ),
        click.option(
            "--secret-manager-config",
            envvar="DATIVO_SECRET_MANAGER_CONFIG",
            callback=_refuse_configuration,
            expose_value=False,
            help="A path or inline JSON; neither env nor filesystem takes any.",
        ),
        click.option(
            "--mode",
            type=click.Choice(["self_hosted", "cloud"]),
            default="self_hosted",
            show_default=True,
            help="cloud refuses connectors that read this machine.",
        ),
    )


def _refuse_unavailable(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value in UNAVAILABLE_MANAGERS:
        message = f"{value} is not available in this version; use env or filesystem"
        raise click.BadParameter(message)
    return value


def _refuse_configuration(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        message = "env and filesystem take no configuration; leave it out (--secrets-dir names the folder)"
        raise click.BadParameter(message)


def collected(
    command: Callable[P, R],
    name: str,
    shape: Callable[..., object],
    *options: Callable[[Callable[P, R]], Callable[P, R]],
) -> Callable[P, R]:
    """Add options to a command, which takes them as one object of the given shape."""
    names = list(inspect.signature(shape).parameters)

    @functools.wraps(command)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        kwargs[name] = shape(**{item: kwargs.pop(item) for item in names})
        return command(*args, **kwargs)

    decorated: Callable[P, R] = called
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
