"""Never two runs of one tenant at once, whatever starts them; tenants side by side; each tick's rows once."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.orchestrated.held import HeldFiles
from tests.orchestrated.service import OVER, Service
from tests.orchestrated.tenants import DATIVO, Tenants, events_of, intervals, overlaps, schedule

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("orchestrated")]

# How long the schedules tick: six minutes in `make test-serve`.
MINUTES = float(os.environ.get("DATIVO_SERVE_MINUTES", "0"))
TENANTS = ("acme", "umbrella")
ROWS = 5_000


def test_runs_of_a_tenant_follow_each_other_whatever_starts_them(tmp_path: Path, held_files: HeldFiles) -> None:
    """Each tenant's `refunds` goes on until its file is released, and `orders` loads what each minute brings."""
    tenants = Tenants.make(tmp_path / "project")
    refunds = {tenant: held_files.add(range(ROWS)) for tenant in TENANTS}
    files = [tenants.job(tenant) for tenant in TENANTS]
    files += [tenants.job(tenant, "refunds", source=file.address) for tenant, file in refunds.items()]
    cron = "* * * * *" if MINUTES else "0 3 * * *"
    schedules = [{**schedule(file, file.replace("/", "_"), overlap="queue"), "cron": cron} for file in files]
    tenants.runner(schedules, mode="orchestrated")
    written = 0

    def write() -> None:
        nonlocal written
        for tenant in TENANTS:
            tenants.orders(tenant, range(written, written + ROWS))
        written += ROWS

    write()
    told_by_hand = tmp_path / "by-hand.log"
    with Service(tenants) as service, told_by_hand.open("w") as log:
        service.wait_for("orchestrator_ready")
        for tenant in TENANTS:
            service.launch(f"{tenant.upper()}__REFUNDS")
        service.until(lambda: all(file.reads > 0 for file in refunds.values()), "both tenants' runs at once")
        command = [DATIVO, "run", "--job-dir", "jobs/acme"]
        by_hand = subprocess.Popen(command, cwd=tenants.root, env=tenants.environment(), stderr=log)
        waiting = [service.materialize_all(), service.launch("ACME__ORDERS"), service.launch("UMBRELLA__ORDERS")]
        service.until(lambda: "waiting_for_slot" in told_by_hand.read_text(), "a run by hand that waits")
        assert {service.status(run_id) for run_id in waiting} == {"QUEUED"}
        for file in refunds.values():
            file.release()

        end, thrown_in = time.monotonic() + 60 * MINUTES, list[str]()
        while time.monotonic() < end:
            time.sleep(20)
            write()
            thrown_in += [service.launch(f"{tenant.upper()}__ORDERS") for tenant in TENANTS]
        scheduled = [run_id for run_id, run in service.runs().items() if "dativo/schedule" in run]
        if MINUTES:
            # Switched off, so that what is queued is the end of it.
            tenants.runner([{**item, "enabled": False} for item in schedules], mode="orchestrated")
            service.wait_for("definitions_reloaded")
        service.until(lambda: all(run["status"] in OVER for run in service.runs().values()), "the end of all runs")
        last = [service.launch(f"{tenant.upper()}__ORDERS") for tenant in TENANTS] if MINUTES else []
        service.until(lambda: all(service.status(run_id) == "SUCCESS" for run_id in last), "the last runs")
        assert {service.status(run_id) for run_id in (*waiting, *thrown_in)} == {"SUCCESS"}
        assert by_hand.wait(timeout=60) == 0
        events = [*service.events, *events_of(told_by_hand.read_text())]

    assert len(scheduled) >= len(schedules) * (MINUTES - 1)
    assert [event["message"] for event in events if event["event_type"] == "job_error"] == []
    assert overlaps(intervals(events, "acme")) == overlaps(intervals(events, "umbrella")) == []
    for tenant in TENANTS:
        assert tenants.ids(tenant) == list(range(written))
        assert tenants.ids(tenant, "refunds") == list(range(ROWS))
