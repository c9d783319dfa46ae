"""`kill -9` of each of the service's processes while jobs run: it heals, and every row is in its table exactly once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
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
    """A process that is killed while the job of its name runs; `part` is of its command line."""

    name: str
    part: str


VICTIMS = [
    Victim("run", "--multiprocessing-fork"),
    Victim("daemon", "-m dagster._daemon"),
    Victim("webserver", "-m dagster_webserver"),
    Victim("code_servers_child", "-m dagster api grpc"),
]
CODE_SERVER = Victim("code_server", "-m dagster code-server")
LONG = os.environ.get("DATIVO_SERVE_LONG") == "1"  # `make test-serve`
KILLED = VICTIMS if LONG else VICTIMS[:1]


@pytest.fixture(scope="module")
def files(held_files: HeldFiles) -> dict[str, HeldFile]:
    """What each job reads: one for each victim, and two for the code server."""
    names = [*(victim.name for victim in KILLED), "orders", "cancelled"]
    return {name: held_files.add(range(ROWS)) for name in names}


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory, files: dict[str, HeldFile]) -> Tenants:
    """A tenant whose jobs go on, and one whose job is cancelled."""
    tenants = Tenants.make(tmp_path_factory.mktemp("healing") / "project")
    owners = {name: "umbrella" if name == "cancelled" else "acme" for name in files}
    jobs = [tenants.job(owners[name], name, source=file.address) for name, file in files.items()]
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
    job, restarts = f"ACME__{victim.name.upper()}", len(service.told("process_restarted"))
    first = service.launch(job)
    service.until(lambda: files[victim.name].reads > 0, "a run that reads")

    service.kill(victim.part)
    if victim.name == "run":
        # By its code server or by the service, whichever sees it first.
        service.until(lambda: service.status(first) == "FAILURE", "the end of the run")
    else:
        service.wait_for("process_restarted", count=restarts + 1)
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


def test_runs_outlive_their_code_server_and_can_be_cancelled_all_the_same(
    service: Service, tenants: Tenants, files: dict[str, HeldFile]
) -> None:
    service.until(service.is_healthy, "health")
    kept, cancelled = service.launch("ACME__ORDERS"), service.launch("UMBRELLA__CANCELLED")
    service.until(lambda: files["orders"].reads > 0 and files["cancelled"].reads > 0, "two runs that read")
    process = service.process_of(cancelled)

    service.kill(CODE_SERVER.part)
    service.wait_for("process_restarted", process="code_server")
    service.until(service.is_healthy, "health")
    service.cancel(cancelled)
    service.until(lambda: service.status(cancelled) == "CANCELED", "the end of the cancelled run")
    service.until(lambda: not Path(f"/proc/{process}").exists(), "the end of its process")
    files["orders"].release()
    service.until(lambda: service.status(kept) == "SUCCESS", "the other run's success")

    assert tenants.ids("acme") == list(range(ROWS))
    assert tenants.ids("umbrella", "cancelled") == []


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


def ticks_of(service: Service, tenant: str, status: str) -> set[str]:
    """The runs that the tenant's schedule started, in a status."""
    runs = service.runs().items()
    return {run_id for run_id, run in runs if (run.get("dativo/schedule"), run["status"]) == (tenant, status)}


def strike(service: Service, victim: Victim) -> None:
    """Kill a process while the run of a tick goes on, and see it replaced."""
    (run_id,) = ticks_of(service, victim.name, "STARTED")
    restarts = len(service.told("process_restarted"))
    if victim.name == "run":
        os.kill(service.process_of(run_id), signal.SIGKILL)
        service.until(lambda: service.status(run_id) == "FAILURE", "the end of the run")
    else:
        service.kill(victim.part)
        service.wait_for("process_restarted", count=restarts + 1)
        service.until(service.is_healthy, "health")


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not LONG, reason="it waits for ticks; make test-serve runs it")
def test_each_ticks_rows_land_once_whichever_process_dies_and_ticks_go_on(
    tmp_path: Path, held_files: HeldFiles
) -> None:
    """Each victim has a tenant, whose job loads every minute what came, and the first time a file that is held."""
    victims = [*VICTIMS, CODE_SERVER]
    tenants, held = Tenants.make(tmp_path / "project"), {victim.name: held_files.add(range(ROWS)) for victim in victims}
    jobs = {name: tenants.job(name, source=(f"data/{name}/orders", file.address)) for name, file in held.items()}
    schedules = [{**schedule(job, name), "cron": "* * * * *"} for name, job in jobs.items()]
    tenants.runner(schedules, mode="orchestrated")
    written = ROWS

    def write() -> None:
        nonlocal written
        for name in held:
            tenants.orders(name, range(written, written + ROWS))
        written += ROWS

    def load_what_comes(service: Service, *names: str) -> None:
        """Until two more ticks of each tenant are over: the run of the first may have begun before the files came."""
        write()
        before = {name: ticks_of(service, name, "SUCCESS") for name in names}
        for name in names:
            more = partial(lambda name: len(ticks_of(service, name, "SUCCESS") - before[name]) >= 2, name)
            service.until(more, f"two ticks of {name}")

    write()
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        service.until(lambda: all(file.reads > 0 for file in held.values()), "a tick of every tenant, which reads")
        for victim in victims:
            write()
            strike(service, victim)
            held[victim.name].release()
            load_what_comes(service, victim.name)
        load_what_comes(service, *held)

    for name in held:
        assert tenants.ids(name) == list(range(written)), name
