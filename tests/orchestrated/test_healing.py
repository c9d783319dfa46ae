"""`kill -9` of each of the service's processes while jobs run: it heals, and every row is in its table exactly once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.orchestrated.held import HeldFile, HeldFiles
from tests.orchestrated.service import Service
from tests.orchestrated.tenants import Tenants, schedule

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("orchestrated")]

ROWS = 5_000


@dataclass(frozen=True)
class Victim:
    """A process that is killed while the job of its name runs.

    Attributes:
        part: of its command line.
        told: the event by which the service says that it saw the death.
    """

    name: str
    part: str
    told: str = "process_restarted"


VICTIMS = [
    Victim("code_server", "-m dagster code-server"),
    Victim("run", "--multiprocessing-fork", told="run_lost"),
    Victim("daemon", "-m dagster._daemon"),
    Victim("webserver", "-m dagster_webserver"),
    Victim("code_servers_child", "-m dagster api grpc"),
]
LONG = os.environ.get("DATIVO_SERVE_LONG") == "1"  # `make test-serve`
KILLED = VICTIMS if LONG else VICTIMS[:2]


@pytest.fixture(scope="module")
def files(held_files: HeldFiles) -> dict[str, HeldFile]:
    """What the job of each victim reads."""
    return {victim.name: held_files.add(range(ROWS)) for victim in KILLED}


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory, files: dict[str, HeldFile]) -> Tenants:
    """One tenant, with a job for each process that is killed."""
    tenants = Tenants.make(tmp_path_factory.mktemp("healing") / "project")
    jobs = [tenants.job("acme", name, source=file.address) for name, file in files.items()]
    tenants.runner([schedule(job) for job in jobs], mode="orchestrated")
    return tenants


@pytest.fixture(scope="module")
def service(tenants: Tenants) -> Iterator[Service]:
    """Their service, ready."""
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        yield service


@pytest.mark.parametrize("victim", KILLED, ids=lambda victim: victim.name)
def test_a_killed_process_comes_back_and_what_ran_lands_once(
    service: Service, tenants: Tenants, files: dict[str, HeldFile], victim: Victim
) -> None:
    service.until(service.is_healthy, "health")
    job, deaths = f"ACME__{victim.name.upper()}", len(service.told(victim.told))
    service.launch(job)
    service.until(lambda: files[victim.name].reads > 0, "a run that reads")

    service.kill(victim.part)
    service.wait_for(victim.told, count=deaths + 1)
    files[victim.name].release()

    def landed() -> bool:
        try:
            runs = service.runs()
        except OSError:
            return False  # the webserver is on its way back
        mine = [run["status"] for run in runs.values() if run["job"] == job]
        return "SUCCESS" in mine and set(mine) <= {"SUCCESS", "FAILURE"}

    service.until(landed, "a run that succeeded, and none in progress")
    assert tenants.ids("acme", victim.name) == list(range(ROWS))


@pytest.mark.skipif(not LONG, reason="two services; make test-serve runs it")
def test_no_process_outlives_a_service_that_is_killed_and_the_next_one_goes_on(
    tmp_path: Path, held_files: HeldFiles
) -> None:
    tenants, file = Tenants.make(tmp_path / "project"), held_files.add(range(ROWS))
    tenants.runner([schedule(tenants.job("acme", source=file.address))], mode="orchestrated")
    with Service(tenants) as killed:
        killed.wait_for("orchestrator_ready")
        run_id = killed.launch("ACME__ORDERS")
        killed.until(lambda: file.reads > 0, "a run that reads")
        below = set(killed.processes())
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
        deadline = time.monotonic() + 20
        while left := [pid for pid in below if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() < deadline, left
            time.sleep(0.2)

    file.release()
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        service.until(lambda: service.is_retried(run_id), "the end of a retry")

    assert tenants.ids("acme") == list(range(ROWS))
