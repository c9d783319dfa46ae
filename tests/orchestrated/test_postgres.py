"""Dagster's history in Postgres, by a URL that is written nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestrated.service import Service
from tests.orchestrated.tenants import Tenants, schedule
from tools.services.postgres import PostgresServer

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("orchestrated")]


def test_the_history_is_in_postgres_and_its_password_in_no_file(tmp_path: Path, postgres: PostgresServer) -> None:
    tenants = Tenants.make(tmp_path / "project")
    tenants.runner([schedule(tenants.job("acme"))], mode="orchestrated")
    tenants.orders("acme", [1, 2])

    with Service(tenants, environment={"DATIVO_DAGSTER_POSTGRES_URL": postgres.make_database()}) as service:
        service.wait_for("orchestrator_ready")
        run_id = service.launch("ACME__ORDERS")
        service.until(lambda: service.status(run_id) == "SUCCESS", "the run's success")
        command_lines = " ".join(service.processes().values())
        log = "".join(service.lines)

    home = tenants.root / "state" / ".dagster"
    files = [file for file in home.rglob("*") if file.is_file()]
    assert not [file for file in files if file.suffix == ".db"]
    assert not [file for file in files if postgres.password in file.read_text(errors="replace")]
    assert postgres.password not in command_lines + log
    assert tenants.ids("acme") == [1, 2]
