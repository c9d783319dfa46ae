"""`python -m dativo_dagster.service.maintenance TENANT`: maintain the tables of one tenant's listed jobs.

It is a process of its own: it holds one tenant's secrets only, and what it needs of memory is given back.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dativo_config.interpolate import resolve_secrets
from dativo_config.load import LoadSettings, examine_runner
from dativo_config.models.resolved import ResolvedJob
from dativo_config.models.runner import Kept
from dativo_config.project import open_project
from dativo_config.secrets import SecretError, hide_other_tenants, open_secrets
from dativo_engine.connectors import specs
from dativo_engine.errors import DativoError
from dativo_engine.events import EventLog, LibraryLog
from dativo_engine.maintenance import work
from dativo_engine.maintenance.maintain import maintain

from dativo_dagster.definitions import held_folder
from dativo_dagster.service.edge import one_line


def maintain_tenant(tenant: str, events: EventLog) -> None:
    """Maintain each table that the tenant's jobs write; one that can't be is logged and holds up no other."""
    root = Path(os.environ["DATIVO_HOME"])
    runner_file = open_project(root, environment=os.environ).runner_file
    loaded = examine_runner(runner_file, specs(), settings=LoadSettings(project=root, held=held_folder(os.environ)))
    assert loaded.runner is not None  # noqa: S101 - `examine_runner` raises otherwise
    for job in loaded.jobs:
        if job.tenant.id == tenant:
            _maintain_job(job, loaded.runner.kept, events)


def _maintain_job(job: ResolvedJob, kept: Kept, events: EventLog) -> None:
    hide_other_tenants(os.environ, job.tenant)
    limits = work.Kept(kept.snapshot_days, kept.snapshots, kept.rejected_days)
    for table in dict.fromkeys(stream.table for stream in job.streams):
        told = {"tenant_id": job.tenant.id, "job_name": job.name, "table": str(table)}
        try:
            found = open_secrets(job.tenant, manager=os.environ.get("DATIVO_SECRET_MANAGER"), environment=os.environ)
            resolved, values = resolve_secrets(job, found)
            events.redactor.add(values)
            done = maintain(resolved, table, limits, events)
        except Exception as error:  # noqa: BLE001 - the edge of a table: of it and its catalogue, not of the others
            told_error = str(error) if isinstance(error, DativoError | SecretError) else one_line(error)
            message = f"{table} could not be maintained: {told_error}"
            events.emit("maintenance_failed", message, level="ERROR", **told)
            continue
        if done is not None:
            events.emit("table_maintained", f"{table} is maintained", work=done.to_json(), **told)


if __name__ == "__main__":
    log = EventLog(sys.stderr)
    LibraryLog(log).install()
    maintain_tenant(sys.argv[1], log)
