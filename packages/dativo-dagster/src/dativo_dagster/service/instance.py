"""The files of the Dagster instance: what Dagster is told of limits, retries and where it keeps its history."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import yaml
from dativo_config.models.runner import Runner
from dativo_engine.errors import FatalError

from dativo_dagster.assets import TENANT_TAG
from dativo_dagster.schedules import SCHEDULE_TAG
from dativo_dagster.service.settings import CODE_LOCATION

Yaml: TypeAlias = "str | int | bool | list[Yaml] | Mapping[str, Yaml]"

POSTGRES_URL = "DATIVO_DAGSTER_POSTGRES_URL"
MARK = "# Written by `dativo start`, at every start."
# Runs that died with their process, as opposed to those that failed: those are tried again step by step.
_DIED_RUN_RETRIES = 3
_DAYS_OF_TICKS = 30
_SECONDS_TO_START = 180
_SECONDS_TO_CANCEL = 60


def postgres_url(environment: Mapping[str, str]) -> str | None:
    """Where Dagster keeps its history if not in SQLite files; None: there.

    The driver is named: dagster-postgres works with psycopg2 only; where psycopg is too, SQLAlchemy would take that.
    """
    given = environment.get(POSTGRES_URL)
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", given) if given else None


def write_instance(home: Path, runner: Runner, *, code_socket: Path, postgres: bool) -> bool:
    """Write dagster.yaml and workspace.yaml; whether dagster.yaml changed, so that who read it must read it again.

    Raises:
        FatalError: the folder holds a dagster.yaml of somebody else, or can't be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        _write(home / "workspace.yaml", _workspace(code_socket))
        return _write(home / "dagster.yaml", _instance(runner, postgres=postgres))
    except PermissionError as error:
        message = f"{error.filename}: can't be written; make it writable, or set DAGSTER_HOME to a folder that is"
        raise FatalError(message) from error


def _instance(runner: Runner, *, postgres: bool) -> Mapping[str, Yaml]:
    limits = runner.orchestrator
    return {
        **({"storage": {"postgres": {"postgres_url": {"env": POSTGRES_URL}}}} if postgres else {}),
        "concurrency": {
            "runs": {
                "max_concurrent_runs": limits.max_concurrent_runs,
                "tag_concurrency_limits": [
                    {
                        "key": TENANT_TAG,
                        "value": {"applyLimitPerUniqueValue": True},
                        "limit": limits.concurrency_per_tenant,
                    },
                    # Runs of a schedule that queue up behind each other; where its ticks are skipped, none do.
                    *(
                        {"key": SCHEDULE_TAG, "value": schedule.name, "limit": schedule.max_concurrent_runs}
                        for schedule in limits.schedules
                        if schedule.overlap == "queue" and schedule.max_concurrent_runs < limits.concurrency_per_tenant
                    ),
                ],
            },
            # Runs that the UI puts together ("Materialize all") carry no tag; their assets have their tenant's pool.
            "pools": {"granularity": "run", "default_limit": limits.concurrency_per_tenant},
        },
        # The class is named so that the settings below may be given.
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {
                "dequeue_interval_seconds": 1,
                # A run takes seconds to start; tenants do not wait for each other's.
                "dequeue_use_threads": True,
                "dequeue_num_workers": 4,
                # A run that is due while the code server comes back goes into the queue again.
                "max_user_code_failure_retries": 20,
                "user_code_failure_retry_delay": 5,
            },
        },
        "run_retries": {"enabled": True, "max_retries": _DIED_RUN_RETRIES, "retry_on_asset_or_op_failure": False},
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": _SECONDS_TO_START,
            "cancel_timeout_seconds": _SECONDS_TO_CANCEL,
            "poll_interval_seconds": 10,
        },
        "schedules": {"use_threads": True, "num_workers": 4},
        "sensors": {"use_threads": True, "num_workers": 4},
        "retention": {
            "schedule": {"purge_after_days": _DAYS_OF_TICKS},
            "sensor": {"purge_after_days": _DAYS_OF_TICKS},
        },
        # The events of a run are in its own log; what its process prints is in the service's.
        "compute_logs": {"module": "dagster.core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }


def _workspace(code_socket: Path) -> Mapping[str, Yaml]:
    return {"load_from": [{"grpc_server": {"socket": str(code_socket), "location_name": CODE_LOCATION}}]}


def _write(file: Path, content: Mapping[str, Yaml]) -> bool:
    text = f"{MARK}\n{yaml.safe_dump(content, sort_keys=False)}"
    before = file.read_text() if file.exists() else ""
    if before and not before.startswith(MARK):
        message = (
            f"{file}: not written by dativo, which would have to replace it; "
            "move it away, or set DAGSTER_HOME to another folder"
        )
        raise FatalError(message)
    if text == before:
        return False
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.replace(file)
    return True
