"""Dagster's own commands, as the service runs them, and the environment that each of them gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import cache_from_source
from pathlib import Path

import dagster as dg
from dativo_config.secrets.env import PREFIX, hide_other_tenants

from dativo_dagster.definitions import HELD_FILES
from dativo_dagster.service.instance import POSTGRES_URL, postgres_url
from dativo_dagster.service.leash import LEASH, lock_file
from dativo_dagster.service.settings import CODE_LOCATION, ServiceSettings

MODULE = "dativo_dagster.code_location"


def code_server(code_socket: Path) -> list[str]:
    """Holds the definitions, and starts a process for each run."""
    place = ["--module-name", MODULE, "--socket", str(code_socket), "--location-name", CODE_LOCATION]
    return ["-m", "dagster", "code-server", "start", *place, "--log-level", "warning", "--log-format", "json"]


def webserver(settings: ServiceSettings) -> list[str]:
    """The UI and GraphQL."""
    where = ["--host", settings.host, "--port", str(settings.port), "--path-prefix", settings.ui_path]
    limits = ["--read-only"] if settings.read_only else []
    return ["-m", "dagster_webserver", *where, *limits, *_workspace(settings), "--dagster-log-level", "warning"]


def daemon(settings: ServiceSettings) -> list[str]:
    """Schedules, sensors, the queue of runs, and their retries."""
    return ["-m", "dagster._daemon", "run", *_workspace(settings), "--log-level", "warning"]


def maintenance(tenant: str) -> list[str]:
    """Keeps the tables of one tenant small and fast."""
    return ["-m", "dativo_dagster.service.maintenance", tenant]


def environment(settings: ServiceSettings) -> dict[str, str]:
    """What every process that runs code of the project needs: where the project is, and its secrets."""
    manager = {"DATIVO_SECRET_MANAGER": settings.secret_manager} if settings.secret_manager else {}
    url = postgres_url(settings.environment)
    return {
        **settings.environment,
        **settings.paths,
        **manager,
        **({POSTGRES_URL: url} if url else {}),
        # What is served, which need not be what the file holds at this moment.
        "DATIVO_RUNNER_CONFIG": str(settings.served_file),
        HELD_FILES: str(settings.held_folder),
        "DATIVO_MODE": settings.mode,
        "DAGSTER_HOME": str(settings.home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PYTHONUNBUFFERED": "1",
        **byte_code(Path(dg.__file__), settings.environment, settings.home / "byte_code"),
        LEASH: str(lock_file(settings.home)),
    }


def byte_code(module: Path, environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Have byte code kept in `folder` where the installation has none and gets none.

    Without it every run's process compiles Dagster anew, which takes longer than all else that it does to begin.
    """
    forbidden = bool(environment.get("PYTHONDONTWRITEBYTECODE")) or not os.access(module.parent, os.W_OK)
    if Path(cache_from_source(str(module))).exists() or not forbidden:
        return {}
    return {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The same for processes that run none."""
    return {name: value for name, value in environment.items() if not name.upper().startswith(PREFIX)}


def environment_of(tenant: str, settings: ServiceSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The same for a process that works for one tenant."""
    own = dict(environment)
    hide_other_tenants(own, settings.project.tenant(tenant))
    return own


def _workspace(settings: ServiceSettings) -> list[str]:
    return ["--workspace", str(settings.home / "workspace.yaml"), "--log-format", "json"]
