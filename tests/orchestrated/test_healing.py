"""`kill -9` of each of the service's processes while jobs run: it heals, and every row is in its table exactly once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrated.service import Service
from tests.orchestrated.tenants import Tenants, schedule

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("orchestrated")]

# A run of so many rows goes on long enough to be killed in.
ROWS = 1_500_000
PARTS = {
    "daemon": "-m dagster._daemon",
    "webserver": "-m dagster_webserver",
    "code_server": "-m dagster code-server",
    "code_server's own child": "-m dagster api grpc",
    "run": "--multiprocessing-fork",
}
LONG = os.environ.get("DATIVO_SERVE_LONG") == "1"  # `make test-serve`
KILLED = list(PARTS) if LONG else ["code_server", "run"]


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Tenants:
    """One tenant, with a job for each process that is killed."""
    tenants = Tenants.make(tmp_path_factory.mktemp("healing") / "project")
    names = [name.replace(" ", "_").replace("'s", "") for name in PARTS]
    jobs = [tenants.job("acme", name) for name in names]
    tenants.runner([schedule(job) for job in jobs], mode="orchestrated")
    return tenants


@pytest.fixture(scope="module")
def service(tenants: Tenants) -> Iterator[Service]:
    """Their service, ready."""
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        yield service


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_process_comes_back_and_what_ran_lands_once(service: Service, tenants: Tenants, name: str) -> None:
    table = name.replace(" ", "_").replace("'s", "")
    tenants.orders("acme", range(ROWS), job=table)
    service.until(service.is_healthy, "health")
    first = service.launch(f"ACME__{table.upper()}")
    service.wait_for("writer_initialized", run_id=first)

    service.kill(PARTS[name])

    def landed() -> bool:
        try:
            runs = service.runs()
        except OSError:
            return False  # the webserver is on its way back
        mine = {run_id: run for run_id, run in runs.items() if run["job"] == f"ACME__{table.upper()}"}
        return any(run["status"] == "SUCCESS" for run in mine.values()) and all(
            run["status"] in ("SUCCESS", "FAILURE") for run in mine.values()
        )

    service.until(landed, "a run that succeeded, and none in progress")
    assert tenants.ids("acme", table) == list(range(ROWS))


@pytest.mark.skipif(not LONG, reason="two services; make test-serve runs it")
def test_no_process_outlives_a_service_that_is_killed_and_the_next_one_goes_on(tmp_path: Path) -> None:
    tenants = Tenants.make(tmp_path / "project")
    tenants.runner([schedule(tenants.job("acme"))], mode="orchestrated")
    tenants.orders("acme", range(ROWS))
    with Service(tenants) as killed:
        killed.wait_for("orchestrator_ready")
        run_id = killed.launch("ACME__ORDERS")
        killed.wait_for("writer_initialized", run_id=run_id)
        below = set(killed.processes())
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
        deadline = time.monotonic() + 20
        while left := [pid for pid in below if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() < deadline, left
            time.sleep(0.2)

    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        service.until(lambda: _is_over(service, run_id), "the end of a retry")

    assert tenants.ids("acme") == list(range(ROWS))


def test_a_run_that_is_stopped_with_its_service_is_tried_again_by_the_next(tmp_path: Path) -> None:
    tenants = Tenants.make(tmp_path / "project")
    tenants.runner([schedule(tenants.job("acme"))], mode="orchestrated")
    tenants.orders("acme", range(3 * ROWS))
    with Service(tenants) as stopped:
        stopped.wait_for("orchestrator_ready")
        run_id = stopped.launch("ACME__ORDERS")
        stopped.wait_for("writer_initialized", run_id=run_id)
        below = set(stopped.processes())
        stopped.process.terminate()
        assert stopped.ended(within=10) == 0
        assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
    assert tenants.ids("acme") == []

    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        service.until(lambda: _is_over(service, run_id), "the end of a retry")

    assert tenants.ids("acme") == list(range(3 * ROWS))


def _is_over(service: Service, run_id: str) -> bool:
    """Whether a run was tried again, and nothing is in progress any more."""
    runs = service.runs().values()
    retried = any(run.get("dagster/root_run_id") == run_id for run in runs)
    return retried and all(run["status"] in ("SUCCESS", "FAILURE") for run in runs)
