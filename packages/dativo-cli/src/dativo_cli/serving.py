"""From flags to the service they are about: what `start` and `status` share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click
from dativo_config.project import IMAGE_HOME, Project, find_root, open_project
from dativo_engine.errors import FatalError

from dativo_cli.options import SecretFlags, collected

if TYPE_CHECKING:
    from dativo_dagster.service.settings import ServiceSettings

P = ParamSpec("P")
R = TypeVar("R")
PORT = click.IntRange(1, 65535)


@dataclass(frozen=True, slots=True)
class ServiceFlags:
    """How a service is to be reached and stopped. None: the service's own default."""

    host: str | None
    port: int | None
    health_port: int | None
    path_prefix: str
    read_only: bool
    strict: bool
    grace: float | None

    def settings(self, project: Project, secrets: SecretFlags) -> ServiceSettings:
        """The service of a project.

        Raises:
            FatalError: what serves is not installed.
        """
        require_service()
        from dativo_dagster.service.settings import GRACE_SECONDS, PORT, ServiceSettings, default_host

        return ServiceSettings(
            project=project,
            environment=dict(os.environ),
            host=self.host or default_host(),
            port=self.port or PORT,
            health_port=self.health_port,
            path_prefix=self.path_prefix,
            read_only=self.read_only,
            strict=self.strict,
            grace_seconds=GRACE_SECONDS if self.grace is None else self.grace,
            secret_manager=secrets.secret_manager,
            mode=secrets.mode,
        )


def service_options(command: Callable[P, R]) -> Callable[P, R]:
    """`--host`, `--port` and their kin, handed over as `service: ServiceFlags`."""
    return collected(
        command,
        "service",
        ServiceFlags,
        click.option("--port", type=PORT, help="Of the web UI.  [default: 3000]"),
        click.option("--host", help="The address to listen on.  [default: 127.0.0.1; in a container 0.0.0.0]"),
        click.option("--health-port", type=PORT, help="Of the health endpoint, /health.  [default: the next port]"),
        click.option("--path-prefix", default="", help="Where a proxy serves the UI, like /dativo."),
        click.option("--read-only", is_flag=True, help="A UI that shows everything and changes nothing."),
        click.option("--strict", is_flag=True, help="Do not begin when any listed job has a problem."),
        click.option("--grace", type=click.FloatRange(min=1), help="Seconds to stop in.  [default: 8]"),
    )


def open_runner_project(runner_config: Path, *, given: Path | None, secrets: SecretFlags | None = None) -> Project:
    """The project of a runner file: a path under /app is the project's own, any other is as the shell means it."""
    inside = runner_config.is_relative_to(IMAGE_HOME) and not IMAGE_HOME.exists()
    root = find_root(Path.cwd() if inside else runner_config, given=given, environment=os.environ)
    file = runner_config if inside else runner_config.absolute()
    environment = {**os.environ, "DATIVO_RUNNER_CONFIG": str(file)}
    return open_project(root, environment=environment, secrets=secrets.secrets_dir if secrets else None)


def require_service() -> None:
    """Make sure that Dagster is there.

    Raises:
        FatalError: it is not; says how to get it.
    """
    if find_spec("dativo_dagster") is None or find_spec("dagster_webserver") is None:
        message = "the service is not installed; run: pip install 'dativo-cli[orchestrated]'"
        raise FatalError(message)
