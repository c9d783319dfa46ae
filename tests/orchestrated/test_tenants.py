"""Never two runs of one tenant at once, whatever starts them; tenants side by side; each tick's rows once."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.orchestrated.service import Service
from tests.orchestrated.tenants import DATIVO, Event, Tenants, events_of, intervals, overlaps, schedule

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("orchestrated")]

# How long the schedules tick: six minutes in `make test-serve`.
MINUTES = float(os.environ.get("DATIVO_SERVE_MINUTES", "0"))
NAMES = ("orders", "refunds")
TENANTS = ("acme", "umbrella")
ROWS = 100_000
# So many that runs take long enough to be seen side by side.
MANY = 1_000_000


def test_runs_of_a_tenant_follow_each_other_whatever_starts_them(tmp_path: Path) -> None:
    tenants = Tenants.make(tmp_path / "project")
    jobs = {(tenant, name): tenants.job(tenant, name) for tenant in TENANTS for name in NAMES}
    every_minute = [
        {**schedule(file, f"{tenant}_{name}", overlap="queue"), "cron": "* * * * *"}
        for (tenant, name), file in jobs.items()
    ]
    tenants.runner(every_minute, mode="orchestrated")
    written = dict.fromkeys(jobs, 0)

    def write(rows: int = ROWS) -> None:
        for (tenant, name), count in written.items():
            tenants.orders(tenant, range(count, count + rows), job=name)
            written[tenant, name] = count + rows

    write()
    by_hand: list[Event] = []

    def run_by_hand() -> None:
        command = [DATIVO, "run", "--job-dir", "jobs/acme"]
        done = subprocess.run(
            command, cwd=tenants.root, env=tenants.environment(), capture_output=True, text=True, check=False
        )
        by_hand.extend(events_of(done.stderr))

    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        shell = threading.Thread(target=run_by_hand)
        shell.start()
        service.materialize_all()
        service.launch("UMBRELLA__REFUNDS")
        end = time.monotonic() + 60 * MINUTES
        while time.monotonic() < end:
            time.sleep(20)
            write()
        shell.join()
        scheduled = [run_id for run_id, run in service.runs().items() if "dativo/schedule" in run]
        # Switched off, so that what is queued is the end of it.
        tenants.runner([{**item, "enabled": False} for item in every_minute], mode="orchestrated")
        service.wait_for("definitions_reloaded")
        service.until(
            lambda: all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in service.runs().values()),
            "the end of all runs",
        )
        write(MANY)
        last = [service.launch(f"{tenant}__{name}".upper()) for tenant, name in jobs]
        service.until(lambda: all(service.status(run_id) == "SUCCESS" for run_id in last), "the last runs")
        events = [*service.events, *by_hand]

    assert len(scheduled) >= len(jobs) * (MINUTES - 1)
    assert [event["message"] for event in events if event["event_type"] == "job_error"] == []
    assert {event["exit_code"] for event in by_hand if event["event_type"] == "job_finished"} == {0}
    acme, umbrella = intervals(events, "acme"), intervals(events, "umbrella")
    assert overlaps(acme) == overlaps(umbrella) == []
    assert overlaps(sorted([*acme, *umbrella])) != [], "tenants waited for each other"
    for (tenant, name), count in written.items():
        assert tenants.ids(tenant, name) == list(range(count))
