"""How one service is started: the command line's answers, every default filled in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dativo_config.project import Project

PORT = 3000
GRACE_SECONDS = 8.0  # container engines kill after 10
CODE_LOCATION = "dativo"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """One service.

    Attributes:
        project: its project; `runner_file` is the file that is served.
        environment: what the service was started with, all tenants' secrets among it.
        health_port: None: the one after `port`.
        path_prefix: `/dativo` where a proxy serves the UI below it; empty: at the root.
        strict: a problem in any file keeps the service from starting.
        grace_seconds: how long the whole service may take to stop.
    """

    project: Project
    environment: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = PORT
    health_port: int | None = None
    path_prefix: str = ""
    read_only: bool = False
    strict: bool = False
    grace_seconds: float = GRACE_SECONDS
    secret_manager: str | None = None
    mode: Literal["self_hosted", "cloud"] = "self_hosted"

    @property
    def paths(self) -> Mapping[str, str]:
        """The variables that lead a process to the project's folders and its runner file."""
        return {
            "DATIVO_HOME": str(self.project.root),
            "STATE_DIR": str(self.project.state_root),
            "DATIVO_SECRETS_DIR": str(self.project.secrets_root),
            "DATIVO_RUNNER_CONFIG": str(self.project.runner_file),
        }

    @property
    def served_file(self) -> Path:
        """The last good copy of the runner file, which the service's processes read."""
        return self.home / "runner.yaml"

    @property
    def held_folder(self) -> Path:
        """Copies of files that hold problems now, as they were without; read in their place."""
        return self.home / "held"

    @property
    def home(self) -> Path:
        """The folder of the Dagster instance: `DAGSTER_HOME`, else in the state folder."""
        given = self.environment.get("DAGSTER_HOME")
        return Path(given) if given else self.project.state_root / ".dagster"

    @property
    def health_address(self) -> tuple[str, int]:
        """Where the health endpoint listens."""
        return self.host, self.port + 1 if self.health_port is None else self.health_port

    @property
    def ui_path(self) -> str:
        """What stands between host and path in the UI's addresses: the prefix with one leading `/`, or nothing."""
        prefix = self.path_prefix.strip("/")
        return f"/{prefix}" if prefix else ""

    @property
    def url(self) -> str:
        """Where a person on this machine finds the UI."""
        return f"http://{_reachable(self.host)}:{self.port}{self.ui_path}"

    @property
    def health_url(self) -> str:
        """Where a program on this machine asks whether all is well."""
        host, port = self.health_address
        return f"http://{_reachable(host)}:{port}/health"


def default_host() -> str:
    """Only this machine, or every network of the container that this is."""
    return "0.0.0.0" if in_container() else "127.0.0.1"  # noqa: S104 - a container's ports are closed until published


def in_container() -> bool:
    """Whether this runs in a container: Docker, Podman and Kubernetes each leave a mark."""
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(mark.exists() for mark in marks) or "KUBERNETES_SERVICE_HOST" in os.environ


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", "127.0.0.1"):  # noqa: S104 - only compared
        return "localhost"
    return f"[{host}]" if ":" in host else host
